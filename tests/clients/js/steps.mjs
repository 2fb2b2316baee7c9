// Runs the steps of a conversation, one JSON line for each; and how long to wait for what the crypto library does.

const STEP_MS = 30_000;
const POLL_MS = 15_000; // what is waited for takes milliseconds

/** Runs the acts one after the other, prints what each saw or why it failed, and ends the program. */
export async function run(conversation, people) {
    for (const [step, act] of Object.entries(conversation)) {
        process.stdout.write(`${JSON.stringify(await result(step, act))}\n`);
    }
    people.forEach((person) => person.stop());
    process.exit(0);
}

async function result(step, act) {
    try {
        return { step, saw: await inTime(act()) };
    } catch (error) {
        return { step, error: String(error.stack ?? error) };
    }
}

function inTime(promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the step did not end in ${STEP_MS} ms`)), STEP_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves with what the condition, which asks the crypto library, gives when that is true. */
export async function poll(what, condition) {
    const end = performance.now() + POLL_MS;
    for (;;) {
        const found = await condition();
        if (found) return found;
        if (performance.now() > end) throw new Error(`not seen in ${POLL_MS} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** What a person reads of an event, once it is decrypted, and how it lies on the server. */
export async function read(person, roomId, eventId) {
    const decrypted = () => {
        const event = person.event(roomId, eventId);
        return event && !event.isDecryptionFailure() && event.getType() === "m.room.message" && event;
    };
    const event = await person.until(`${eventId} decrypted`, decrypted);
    return { body: event.getContent().body, stored: event.getWireType() };
}

/** A new encrypted room of two people, whom both have seen in it. */
export async function encryptedRoom(owner, guest) {
    const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
    const options = { preset: "private_chat", invite: [guest.userId], initial_state: [encryption] };
    const roomId = (await owner.client.createRoom(options)).room_id;
    await guest.until("the invite", () => guest.room(roomId)?.getMyMembership() === "invite");
    await guest.client.joinRoom(roomId);
    await owner.until("the guest", () => owner.room(roomId)?.getMember(guest.userId)?.membership === "join");
    await guest.until("the room", () => guest.room(roomId)?.getMyMembership() === "join");
    return roomId;
}
