// A browser for all conversations of the tests: prints its address, and ends with its standard input.
// usage: node chromium.mjs CHROMIUM
import { chromium } from 'playwright-core'
import { ARGS } from './browser.mjs'

const server = await chromium.launchServer({ executablePath: process.argv[2], args: ARGS })
console.log(server.wsEndpoint())
process.stdin.on('end', () => server.close()).resume()
