// matrix-js-sdk signs somebody in by OAuth 2.0, as Element does: what a person does in a browser comes by standard input.
import "./quiet.mjs";
import { createInterface } from "node:readline";
import * as sdk from "matrix-js-sdk";

const [baseUrl, site] = process.argv.slice(2);
const redirectUri = `${site}/back`;

class Storage {
    #kept = new Map();
    get length() { return this.#kept.size; }
    key(index) { return [...this.#kept.keys()][index] ?? null; }
    getItem(key) { return this.#kept.get(key) ?? null; }
    setItem(key, value) { this.#kept.set(key, value); }
    removeItem(key) { this.#kept.delete(key); }
}

globalThis.localStorage = new Storage();
globalThis.window = { sessionStorage: new Storage(), location: { origin: site } };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);
const whoami = (accessToken) => sdk.createClient({ baseUrl, accessToken }).whoami();

const metadata = await sdk.createClient({ baseUrl }).getAuthMetadata();
const clientId = await sdk.registerOidcClient(metadata, {
    clientName: "Beacon", clientUri: site, redirectUris: [redirectUri], applicationType: "web", contacts: ["a@example.org"],
    logoUri: `${site}/logo.png`, tosUri: undefined, policyUri: undefined,
});
const nonce = "a nonce";
tell({ url: await sdk.generateOidcAuthorizationUrl({ metadata, redirectUri, clientId, homeserverUrl: baseUrl, nonce }) });

const { code, state } = JSON.parse((await lines.next()).value);
const { tokenResponse, idTokenClaims, oidcClientSettings } = await sdk.completeAuthorizationCodeGrant(code, state);
const first = await whoami(tokenResponse.access_token);
const { issuer } = oidcClientSettings;
const refresher = new sdk.OidcTokenRefresher(issuer, clientId, redirectUri, first.device_id, idTokenClaims);
await refresher.oidcClientReady;
const refreshed = await refresher.doRefreshAccessToken(tokenResponse.refresh_token);
tell({ first, second: await whoami(refreshed.accessToken), subject: idTokenClaims.sub });
process.exit(0);
