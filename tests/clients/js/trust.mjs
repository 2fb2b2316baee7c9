// Alice keeps her secrets and her room keys with the server, brings a tablet and a laptop, and verifies Bob; one JSON
// line for each step, as in chat.mjs.
//     node trust.mjs BASE_URL
import { PASSWORD, Person } from "./person.mjs";
import { encryptedRoom, poll, read, run } from "./steps.mjs";

Math.random = () => 0; // the library waits up to ten seconds before it backs keys up, so that devices do not march

const SAS = "m.sas.v1";
const READY = 3; // a verification request that was accepted
const baseUrl = process.argv[2];
const recovery = new Map(); // what Alice wrote down: secret storage keys by id
const secrets = {
    cacheSecretStorageKey: (keyId, _, key) => recovery.set(keyId, key),
    getSecretStorageKey: async ({ keys }) => {
        const keyId = Object.keys(keys).find((id) => recovery.has(id));
        return keyId ? [keyId, recovery.get(keyId)] : null;
    },
};
const [alice, bob] = await Promise.all([
    Person.signUp(baseUrl, "alice", { crypto: true, secrets }),
    Person.signUp(baseUrl, "bob", { crypto: true }),
]);
const people = [alice, bob];
const old = {}; // event ids of what was said before the other devices came, by body
let roomId;
let laptop;

await run({
    async secrets_and_a_backup() {
        for (const person of [alice, bob]) await bootstrap(person);
        const crypto = cryptoOf(alice);
        await crypto.bootstrapSecretStorage({
            createSecretStorageKey: () => crypto.createRecoveryKeyFromPassphrase(),
            setupNewSecretStorage: true,
            setupNewKeyBackup: true,
        });
        return {
            crossSigning: await crypto.isCrossSigningReady(),
            secretStorage: await crypto.isSecretStorageReady(),
            backup: await poll("the backup", () => crypto.getActiveSessionBackupVersion()),
        };
    },

    async what_is_said_is_backed_up() {
        roomId = await encryptedRoom(alice, bob);
        for (const [person, body] of [[bob, "불이 올랐다 🔥"], [alice, "seen"]]) old[body] = await person.say(roomId, body);
        const readNow = await readAll(alice);
        await poll("two sessions", async () => (await backup()).count === 2);
        return { read: readNow };
    },

    async a_tablet_that_is_verified_gets_the_secrets() {
        const tablet = await another("tablet", { crypto: true });
        const emoji = await verify(tablet, alice, () => cryptoOf(tablet).requestOwnUserVerification());
        await poll("the signature", () => isVerified(alice, tablet));
        await poll("the backup's key", () => cryptoOf(tablet).getSessionBackupPrivateKey());
        const seen = await readAll(tablet);
        await tablet.client.logout(true);
        return { emoji, read: seen };
    },

    async a_laptop_with_the_recovery_key() {
        laptop = await another("laptop", { crypto: true, secrets });
        const crypto = cryptoOf(laptop);
        await bootstrap(laptop);
        await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
        const { imported, total } = await crypto.restoreKeyBackup();
        await poll("the signature", () => isVerified(alice, laptop));
        return { imported, total, read: await readAll(laptop) };
    },

    async people_verify_each_other() {
        const ask = () => cryptoOf(alice).requestDeviceVerification(bob.userId, bob.client.getDeviceId());
        const emoji = await verify(alice, bob, ask);
        for (const device of [alice, laptop]) await poll("bob verified", () => hasVerified(device, bob));
        await poll("alice verified", () => hasVerified(bob, alice));
        return { emoji };
    },

    async keys_that_are_made_anew() {
        const refusals = [];
        const withPassword = async (upload) => {
            const { data } = await upload(null).catch((error) => error);
            refusals.push(data.flows.some(({ stages }) => stages.includes("m.login.password")));
            const identifier = { type: "m.id.user", user: bob.userId };
            return upload({ type: "m.login.password", session: data.session, identifier, password: PASSWORD });
        };
        const options = { setupNewCrossSigning: true, authUploadDeviceSigningKeys: withPassword };
        await cryptoOf(bob).bootstrapCrossSigning(options);
        for (const device of [alice, laptop]) {
            await poll("somebody else in bob's name", async () => !(await hasVerified(device, bob)));
        }
        await poll("bob's signature", () => isVerified(bob, bob));
        return { refusals };
    },

    async a_backup_that_is_made_anew() {
        const before = await cryptoOf(alice).getActiveSessionBackupVersion();
        await cryptoOf(alice).resetKeyBackup();
        const after = await poll("the new one", async () => {
            const version = await cryptoOf(alice).getActiveSessionBackupVersion();
            return version !== before && version;
        });
        await poll("both sessions in it", async () => (await backup()).count === 2);
        await cryptoOf(alice).deleteKeyBackupVersion(after);
        return { left: await backup() };
    },
}, people);

/** A new device of Alice, which knows her public keys. */
async function another(name, options) {
    const device = await (await alice.anotherDevice(name, options)).start();
    people.push(device);
    await poll("her public keys", () => cryptoOf(device).userHasCrossSigningKeys(alice.userId, true));
    return device;
}

function cryptoOf(person) {
    return person.client.getCrypto();
}

/** Alice's newest backup as the server describes it, or why it does not. */
function backup() {
    return alice.client.http.authedRequest("GET", "/room_keys/version").catch((error) => error.errcode);
}

function bootstrap(person) {
    return cryptoOf(person).bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(null) });
}

async function readAll(person) {
    const bodies = await Promise.all(Object.values(old).map((eventId) => read(person, roomId, eventId)));
    return bodies.map(({ body }) => body);
}

async function isVerified(eyes, device) {
    const status = await cryptoOf(eyes).getDeviceVerificationStatus(device.userId, device.client.getDeviceId());
    return status?.crossSigningVerified;
}

async function hasVerified(eyes, other) {
    return (await cryptoOf(eyes).getUserVerificationStatus(other.userId)).isCrossSigningVerified();
}

/** Two devices show each other emoji, and both people say that they are the same. How many the two really share. */
async function verify(asking, asked, ask) {
    const coming = new Promise((resolve) => asked.client.once("crypto.verificationRequestReceived", resolve));
    const request = await ask();
    const incoming = await coming;
    await incoming.accept();
    await poll("the acceptance", () => request.phase >= READY);
    const verifiers = [await request.startVerification(SAS), await poll("the start", () => incoming.verifier)];
    const ends = verifiers.map((verifier) => verifier.verify());
    const [one, other] = await Promise.all(verifiers.map((verifier) => poll("emoji", () => verifier.getShowSasCallbacks())));
    const same = one.sas.emoji.filter(([picture], place) => picture === other.sas.emoji[place][0]).length;
    await Promise.all([one.confirm(), other.confirm()]);
    await Promise.all(ends);
    return same;
}
