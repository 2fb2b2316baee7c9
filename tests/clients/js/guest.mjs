// Somebody without an account looks into a room that the world may read, and comes in; one JSON line for each step, as
// in chat.mjs.
//     node guest.mjs BASE_URL
import { Person } from "./person.mjs";
import { run } from "./steps.mjs";

const baseUrl = process.argv[2];
const [host, guest] = await Promise.all([Person.signUp(baseUrl, "host"), Person.asGuest(baseUrl, "guest")]);
let roomId;

const membership = () => guest.room(roomId)?.getMyMembership();

await run({
    async room() {
        const state = (type, content) => ({ type, state_key: "", content });
        roomId = (await host.client.createRoom({
            name: "The square",
            preset: "public_chat",
            initial_state: [
                state("m.room.history_visibility", { history_visibility: "world_readable" }),
                state("m.room.guest_access", { guest_access: "can_join" }),
            ],
        })).room_id;
        await host.say(roomId, "before anybody looked");
        return { guest: guest.client.isGuest() };
    },

    async a_summary() {
        const summary = await guest.client.getRoomSummary(roomId);
        return { name: summary.name, version: summary["im.nheko.summary.room_version"], rule: summary.join_rule };
    },

    async looking_in() {
        const room = await guest.client.peekInRoom(roomId);
        const eventId = await host.say(roomId, "while somebody looks");
        await guest.sees(roomId, eventId);
        return { name: room.name, bodies: guest.bodies(roomId), isMember: membership() === "join" };
    },

    async coming_in() {
        guest.client.stopPeeking();
        await guest.client.joinRoom(roomId);
        await guest.until("the room", () => membership() === "join");
        const eventId = await guest.say(roomId, "may I?");
        await host.sees(roomId, eventId);
        return { bodies: host.bodies(roomId) };
    },

    async what_is_not_for_guests() {
        return guest.client.createRoom({}).then(() => "allowed", (error) => error.errcode);
    },

    async closing() {
        await host.client.sendStateEvent(roomId, "m.room.guest_access", { guest_access: "forbidden" }, "");
        await guest.until("having left", () => membership() === "leave");
        const people = () => host.room(roomId).getJoinedMembers().length;
        await host.until("being alone", () => people() === 1);
        return { people: people() };
    },
}, [host, guest]);
