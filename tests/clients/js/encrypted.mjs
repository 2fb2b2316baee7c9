// Two people with end-to-end encryption, by the crypto library of the best-known clients, talk in an encrypted room;
// one JSON line for each step, as in chat.mjs.
//     node encrypted.mjs BASE_URL
import { Person } from "./person.mjs";
import { encryptedRoom, poll, read, run } from "./steps.mjs";

const baseUrl = process.argv[2];
const [alice, bob] = await Promise.all(["alice", "bob"].map((name) => Person.signUp(baseUrl, name, { crypto: true })));
const people = [alice, bob];
let phone;
let roomId;

await run({
    async room() {
        roomId = await encryptedRoom(alice, bob);
        return { encrypted: await alice.client.getCrypto().isEncryptionEnabledInRoom(roomId) };
    },

    async messages() {
        const first = await read(bob, roomId, await alice.say(roomId, "불이 올랐다 🔥"));
        const second = await read(alice, roomId, await bob.say(roomId, "seen"));
        return [first, second];
    },

    async a_new_device() {
        phone = await bob.anotherDevice("bob's phone", { crypto: true });
        people.push(await phone.start());
        const devices = () => alice.client.getCrypto().getUserDeviceInfo([bob.userId]);
        await poll("both devices", async () => (await devices()).get(bob.userId)?.size === 2);
        const eventId = await alice.say(roomId, "for both");
        return Promise.all([bob, phone].map((device) => read(device, roomId, eventId)));
    },

    async many_messages() {
        const ids = [];
        for (let n = 0; n < 10; n++) ids.push(await (n % 2 ? alice : bob).say(roomId, `message ${n}`));
        return Promise.all(ids.map(async (eventId, n) => (await read(n % 2 ? bob : alice, roomId, eventId)).body));
    },

    async cross_signing() {
        const crypto = bob.client.getCrypto();
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => upload(null) });
        await poll("bob's keys", () => alice.client.getCrypto().userHasCrossSigningKeys(bob.userId, true));
        const status = (eyes) => eyes.getDeviceVerificationStatus(bob.userId, bob.client.getDeviceId());
        await poll("his own trust", async () => (await status(crypto)).crossSigningVerified);
        await poll("his signature", async () => (await status(alice.client.getCrypto())).signedByOwner);
        return { verified: true };
    },

    async a_device_that_left() {
        await phone.client.logout(true);
        const devices = () => alice.client.getCrypto().getUserDeviceInfo([bob.userId]);
        await poll("one device", async () => (await devices()).get(bob.userId)?.size === 1);
        return read(bob, roomId, await alice.say(roomId, "without the phone"));
    },
}, people);
