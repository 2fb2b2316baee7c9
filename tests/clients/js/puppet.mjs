// One person with matrix-js-sdk, moved from outside: a JSON line on standard input is a call {act, args}, and each is
// answered with a JSON line {did} or {error} on standard output, in order.
//     node puppet.mjs BASE_URL NAME [crypto]
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { Person } from "./person.mjs";
import { read } from "./steps.mjs";

const [baseUrl, name, crypto] = process.argv.slice(2);
const person = await Person.signUp(baseUrl, name, { crypto: crypto === "crypto" });

const acts = {
    whoami: () => person.userId,

    async join(roomId) {
        await person.until("the invite", () => person.room(roomId)?.getMyMembership() === "invite");
        await person.client.joinRoom(roomId);
        await person.until("the room", () => person.room(roomId)?.getMyMembership() === "join");
    },

    say: (roomId, body) => person.say(roomId, body),
    edit: (roomId, eventId, body) => person.edit(roomId, eventId, body),
    react: (roomId, eventId, key) => person.react(roomId, eventId, key),
    redact: (roomId, eventId) => person.redact(roomId, eventId),
    photo: (roomId, base64, name) => person.sendPhoto(roomId, Buffer.from(base64, "base64"), name),
    download: (mxc) => person.download(mxc),

    /** Says something, again and again if the server is away, and gives the event's id. */
    deliver: (roomId, body) => person.deliver(roomId, body),

    /** The next thing that is said is encrypted by a new key. */
    renewKey: (roomId) => person.client.getCrypto().forceDiscardSession(roomId),

    /** The network is there again, as a browser would tell. */
    online: () => person.client.retryImmediately(),

    read: (roomId, eventId) => read(person, roomId, eventId),
    bodies: (roomId) => person.bodies(roomId),

    /** Waits until the event looks like this: the wanted fields of `view`. */
    sees: (roomId, eventId, wanted) => (
        person.until(`${eventId} as ${JSON.stringify(wanted)}`, () => {
            const seen = view(roomId, eventId);
            return Object.entries(wanted).every(([field, value]) => isDeepStrictEqual(seen?.[field], value)) && seen;
        })
    ),
};

/** An event as the client shows it, edits and reactions applied. */
function view(roomId, eventId) {
    const event = person.event(roomId, eventId);
    return event && {
        sender: event.getSender(),
        body: event.getContent().body ?? null,
        url: event.getContent().url ?? null,
        redacted: event.isRedacted(),
        reactions: person.reactions(roomId, eventId),
    };
}

async function answer({ act, args }) {
    try {
        return { did: (await acts[act](...args)) ?? null };
    } catch (error) {
        return { error: String(error.stack ?? error) };
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
person.stop();
process.exit(0);
