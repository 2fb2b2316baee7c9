// Two people whose clients ask by sliding sync alone, with end-to-end encryption; one JSON line for each step, as in
// chat.mjs. Bob looks at two rooms at a time.
//     node sliding.mjs BASE_URL
import { Person } from "./person.mjs";
import { encryptedRoom, read, run } from "./steps.mjs";

const baseUrl = process.argv[2];
const [alice, bob] = await Promise.all([
    Person.signUp(baseUrl, "alice", { crypto: true, sliding: 20 }),
    Person.signUp(baseUrl, "bob", { crypto: true, sliding: 2 }),
]);
const people = [alice, bob];
let roomId;

const isIn = (person, room, membership) => person.room(room)?.getMyMembership() === membership;

await run({
    async invite() {
        const options = { preset: "private_chat", name: "Fishing", topic: "at dawn", invite: [bob.userId] };
        roomId = (await alice.client.createRoom(options)).room_id;
        const room = await bob.until("the invite", () => isIn(bob, roomId, "invite") && bob.room(roomId));
        const name = room.name;
        await bob.client.joinRoom(roomId);
        for (const person of people) {
            await person.until("both", () => person.room(roomId)?.getJoinedMemberCount() === 2);
        }
        await bob.until("the room", () => isIn(bob, roomId, "join"));
        return { name, counted: bob.sliding.getListData("rooms").joinedCount };
    },

    async messages() {
        const bodies = ["불이 올랐다 🔥", "seen"];
        const ids = [await alice.say(roomId, bodies[0])];
        await bob.sees(roomId, ids[0]);
        ids.push(await bob.say(roomId, bodies[1]));
        await Promise.all(people.map((person) => person.sees(roomId, ids[1])));
        return people.map((person) => person.bodies(roomId));
    },

    async unread_and_receipt() {
        const eventId = await alice.say(roomId, "have you read this?");
        await bob.until("it unread", () => bob.unread(roomId)[0] > 0);
        await bob.client.sendReadReceipt(await bob.sees(roomId, eventId));
        await bob.until("nothing unread", () => bob.unread(roomId)[0] === 0);
        const room = alice.room(roomId);
        await alice.until("bob's receipt", () => room.getEventReadUpTo(bob.userId, true) === eventId);
        return { readers: room.getUsersReadUpTo(room.findEventById(eventId)).includes(bob.userId) };
    },

    async typing() {
        const typing = () => alice.room(roomId).getMember(bob.userId).typing;
        await bob.client.sendTyping(roomId, true, 30_000);
        await alice.until("bob typing", typing);
        await bob.client.sendTyping(roomId, false, 0);
        await alice.until("bob stopped", () => !typing());
        return { seen: true };
    },

    async account_data() {
        await alice.client.setAccountData("org.example.theme", { dark: true });
        await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.5 });
        const theme = () => alice.client.getAccountData("org.example.theme")?.getContent();
        await alice.until("both", () => theme() && alice.room(roomId).tags["m.favourite"]);
        return { theme: theme(), tag: alice.room(roomId).tags["m.favourite"] };
    },

    async rooms_that_fall_out_of_view() {
        for (let n = 0; n < 3; n++) {
            const other = (await bob.client.createRoom({ name: `other ${n}` })).room_id;
            await bob.until("the newest", () => isIn(bob, other, "join")); // before two more push it out of view
        }
        const eventId = await alice.say(roomId, "up again");
        await bob.sees(roomId, eventId);
        return { last: bob.bodies(roomId).at(-1), counted: bob.sliding.getListData("rooms").joinedCount };
    },

    async a_room_that_is_opened() {
        const said = [];
        for (let n = 0; n < 12; n++) said.push(await alice.say(roomId, `message ${n}`));
        const phone = await bob.anotherDevice("bob's phone", { sliding: 1 });
        people.push(await phone.start());
        await phone.sees(roomId, said.at(-1));
        phone.sliding.modifyRoomSubscriptions(new Set([roomId]));
        await phone.sees(roomId, said[0]);
        const topic = () => phone.room(roomId).currentState.getStateEvents("m.room.topic", "")?.getContent().topic;
        return { bodies: phone.bodies(roomId).slice(-12), topic: await phone.until("the topic", topic) };
    },

    async encryption() {
        const secret = await encryptedRoom(alice, bob);
        const first = await read(bob, secret, await alice.say(secret, "for bob"));
        return [first, await read(alice, secret, await bob.say(secret, "for alice"))];
    },

    async leaving() {
        await alice.client.kick(roomId, bob.userId, "spam");
        await bob.until("the kick", () => isIn(bob, roomId, "leave"));
        return { left: true };
    },
}, people);
