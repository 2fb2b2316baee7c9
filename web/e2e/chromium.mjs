// A browser for all conversations of the tests: prints its address, and ends with its standard input.
// usage: node chromium.mjs CHROMIUM
import { chromium } from 'playwright-core'

const server = await chromium.launchServer({ executablePath: process.argv[2], args: ['--no-sandbox'] })
console.log(server.wsEndpoint())
process.stdin.on('end', () => server.close()).resume()
