// Two people with end-to-end encryption, by the crypto library of the best-known clients, talk in an encrypted room;
// one JSON line for each step, as in chat.mjs.
//     node encrypted.mjs BASE_URL
import { Person } from "./person.mjs";

const STEP_MS = 15_000;
const baseUrl = process.argv[2];
const [alice, bob] = await Promise.all(["alice", "bob"].map((name) => Person.signUp(baseUrl, name, { crypto: true })));
const phones = [];
let roomId;

const conversation = {
    async room() {
        const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
        const options = { preset: "private_chat", invite: [bob.userId], initial_state: [encryption] };
        roomId = (await alice.client.createRoom(options)).room_id;
        await bob.until("the invite", () => bob.room(roomId)?.getMyMembership() === "invite");
        await bob.client.joinRoom(roomId);
        await alice.until("bob", () => alice.room(roomId).getMember(bob.userId)?.membership === "join");
        await bob.until("the room", () => bob.room(roomId).getMyMembership() === "join");
        return { encrypted: await alice.client.getCrypto().isEncryptionEnabledInRoom(roomId) };
    },

    async messages() {
        const first = await read(bob, await alice.say(roomId, "불이 올랐다 🔥"));
        const second = await read(alice, await bob.say(roomId, "seen"));
        return [first, second];
    },

    async a_new_device() {
        const phone = await bob.anotherDevice("bob's phone", { crypto: true });
        phones.push(await phone.start());
        const devices = () => alice.client.getCrypto().getUserDeviceInfo([bob.userId]);
        await poll("both devices", async () => (await devices()).get(bob.userId)?.size === 2);
        const eventId = await alice.say(roomId, "for both");
        return Promise.all([bob, phone].map((device) => read(device, eventId)));
    },

    async many_messages() {
        const ids = [];
        for (let n = 0; n < 10; n++) ids.push(await (n % 2 ? alice : bob).say(roomId, `message ${n}`));
        return Promise.all(ids.map(async (eventId, n) => (await read(n % 2 ? bob : alice, eventId)).body));
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
        const [phone] = phones;
        await phone.client.logout(true);
        const devices = () => alice.client.getCrypto().getUserDeviceInfo([bob.userId]);
        await poll("one device", async () => (await devices()).get(bob.userId)?.size === 1);
        return read(bob, await alice.say(roomId, "without the phone"));
    },
};

/** What a person reads of an event, once it is decrypted, and how it lies on the server. */
async function read(person, eventId) {
    const decrypted = () => {
        const event = person.event(roomId, eventId);
        return event && !event.isDecryptionFailure() && event.getType() === "m.room.message" && event;
    };
    const event = await person.until(`${eventId} decrypted`, decrypted);
    return { body: event.getContent().body, stored: event.getWireType() };
}

/** Resolves when the condition, which asks the crypto library, gives true. */
async function poll(what, condition) {
    const end = performance.now() + STEP_MS;
    while (!(await condition())) {
        if (performance.now() > end) throw new Error(`not seen in ${STEP_MS} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

function inTime(promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the step did not end in ${STEP_MS} ms`)), STEP_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

for (const [step, act] of Object.entries(conversation)) {
    let result;
    try {
        result = { step, saw: await inTime(act()) };
    } catch (error) {
        result = { step, error: String(error.stack ?? error) };
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
}
[alice, bob, ...phones].forEach((person) => person.stop());
process.exit(0);
