// A conversation of three people with matrix-js-sdk, printed as one JSON line for each step: what the others saw.
//     node chat.mjs BASE_URL PHOTO.png
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Person } from "./person.mjs";

const STEP_MS = 15_000;
const RUN_MS = 90_000;
const [baseUrl, photoPath] = process.argv.slice(2);
const photo = readFileSync(photoPath);
const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((name) => Person.signUp(baseUrl, name)));
const everybody = [alice, bob, carol];
const serverName = alice.client.getDomain();
const unique = alice.userId.replace(/\W/g, "");
const names = Object.fromEntries(everybody.map((person) => [person.userId, person.name]));
const phones = [];
let roomId;

const conversation = {
    async push_rules_come_with_the_first_sync() {
        const rules = await alice.client.getPushRules();
        const ids = (from) => Object.values(from.global).flat().map((rule) => rule.rule_id);
        return { synced: ids(alice.client.pushRules), fetched: ids(rules) };
    },

    async group() {
        const options = { preset: "private_chat", name: "Fishing", invite: [bob.userId, carol.userId] };
        roomId = (await alice.client.createRoom(options)).room_id;
        const invites = [];
        for (const guest of [bob, carol]) {
            const room = await guest.until("the invite", () => isIn(guest, roomId, "invite"));
            invites.push({ name: room.name, inviter: names[room.getMember(guest.userId).events.member.getSender()] });
            await guest.client.joinRoom(roomId);
        }
        for (const person of everybody) {
            await person.until("three people", () => person.room(roomId)?.getJoinedMemberCount() === 3);
        }
        return { invites };
    },

    async text() {
        const eventId = await alice.say(roomId, "불이 올랐다 🔥");
        const seen = await Promise.all(everybody.map((person) => person.sees(roomId, eventId)));
        await alice.until("her message sent", () => seen[0].status === null);
        return {
            seen: seen.map((event) => [names[event.getSender()], event.getContent()]),
            bodies: everybody.map((person) => person.bodies(roomId)),
        };
    },

    async photo() {
        const eventId = await alice.sendPhoto(roomId, photo, "beacon.png");
        const { url, msgtype } = (await bob.sees(roomId, eventId)).getContent();
        const full = await bob.download(url);
        const sha256 = createHash("sha256").update(Buffer.from(full.data, "base64")).digest("hex");
        const stranger = await fetch(bob.client.mxcUrlToHttp(url, undefined, undefined, undefined, false, true, true));
        return {
            msgtype,
            full: { ...full, data: undefined, sha256 },
            thumbnail: await bob.download(url, 320, 240),
            withoutToken: stranger.status,
        };
    },

    async reaction() {
        const eventId = await alice.say(roomId, "dinner at seven?");
        const reactionIds = [await bob.react(roomId, eventId, "👍"), await carol.react(roomId, eventId, "👍")];
        await Promise.all(everybody.map((person) => (
            person.until("two thumbs", () => person.reactions(roomId, eventId)["👍"] === 2)
        )));
        const { events } = await alice.client.relations(roomId, eventId, "m.annotation", "m.reaction");
        const fetched = events.map((event) => event.getId());
        await bob.redact(roomId, reactionIds[0]);
        await alice.until("one thumb", () => alice.reactions(roomId, eventId)["👍"] === 1);
        return { fetched: sameMembers(fetched, reactionIds), left: alice.reactions(roomId, eventId) };
    },

    async edit() {
        const eventId = await alice.say(roomId, "dinner at sevn");
        const first = (await bob.sees(roomId, eventId)).getContent().body;
        const editId = await alice.edit(roomId, eventId, "dinner at seven");
        const event = await bob.until("the edit", () => {
            const event = bob.event(roomId, eventId);
            return event?.replacingEventId() === editId && event;
        });
        const phone = await phoneOf(bob);
        const onPhone = await phone.sees(roomId, eventId);
        return { first, edited: event.getContent().body, onPhone: onPhone.getContent().body };
    },

    async redaction() {
        const eventId = await alice.say(roomId, "the code is 1234");
        await bob.sees(roomId, eventId);
        await alice.redact(roomId, eventId, "a secret");
        return Promise.all([bob, carol].map(async (person) => {
            const event = await person.until("the redaction", () => {
                const event = person.event(roomId, eventId);
                return event?.isRedacted() && event;
            });
            const why = event.getUnsigned().redacted_because;
            return { content: event.getContent(), by: names[why.sender], reason: why.content.reason };
        }));
    },

    async receipt() {
        const eventId = await alice.say(roomId, "have you read this?");
        await bob.client.sendReadReceipt(await bob.sees(roomId, eventId));
        const room = alice.room(roomId);
        await alice.until("bob's receipt", () => room.getEventReadUpTo(bob.userId, true) === eventId);
        return { readers: room.getUsersReadUpTo(room.findEventById(eventId)).map((userId) => names[userId]) };
    },

    async unread() {
        const [from] = carol.unread(roomId);
        for (const body of ["one", "two"]) await alice.say(roomId, body);
        const last = await alice.say(roomId, "three, Carol", { "m.mentions": { user_ids: [carol.userId] } });
        await carol.until("three more unread", () => carol.unread(roomId)[0] === from + 3);
        const highlights = carol.unread(roomId)[1];
        const before = (await phoneOf(carol)).unread(roomId);
        await carol.client.sendReadReceipt(await carol.sees(roomId, last));
        await carol.until("nothing unread", () => carol.unread(roomId)[0] === 0);
        const after = (await phoneOf(carol)).unread(roomId);
        return { highlights, before: [before[0] - from, before[1]], after };
    },

    async typing() {
        const typing = () => alice.room(roomId).getMember(bob.userId).typing;
        await bob.client.sendTyping(roomId, true, 30_000);
        await alice.until("bob typing", typing);
        await bob.client.sendTyping(roomId, false, 0);
        await alice.until("bob stopped", () => !typing());
        return { seen: true };
    },

    async thread() {
        const root = await alice.say(roomId, "plans for the weekend");
        alice.room(roomId).createThread(root, await alice.sees(roomId, root), [], true);
        const replies = [];
        for (const body of ["fishing", "hiking"]) replies.push(await alice.reply(roomId, root, body));
        const thread = await bob.until("the thread", () => {
            const thread = bob.room(roomId)?.getThread(root);
            return thread?.length === 2 && thread.replyToEvent?.getId() === replies[1] && thread;
        });
        const room = bob.room(roomId);
        const unread = () => room.getThreadUnreadNotificationCount(root, "total");
        await bob.until("two unread in the thread", () => unread() === 2);
        const { chunk } = await bob.client.createThreadListMessagesRequest(roomId, null, 10);
        await bob.client.sendReadReceipt(await bob.until("the reply", () => thread.findEventById(replies[1])));
        await bob.until("nothing unread in the thread", () => unread() === 0);
        const onPhone = (await phoneOf(bob)).room(roomId).getThreadUnreadNotificationCount(root, "total");
        return {
            listed: chunk.map((event) => event.event_id === root),
            inMainTimeline: bob.bodies(roomId).filter((body) => ["fishing", "hiking"].includes(body)),
            unreadOnPhone: onPhone,
        };
    },

    async scrollback() {
        const room = await roomOfTwo();
        const said = [];
        for (let n = 0; n < 30; n++) said.push(`message ${n}`);
        let last;
        for (const body of said) last = await alice.say(room, body);
        await bob.sees(room, last);
        const phone = await phoneOf(bob);
        const atFirst = phone.bodies(room);
        for (let page = 0; page < 10 && phone.room(room).oldState.paginationToken; page++) {
            await phone.client.scrollback(phone.room(room), 10);
        }
        const [first] = phone.room(room).getLiveTimeline().getEvents();
        return { said, atFirst, bodies: phone.bodies(room), first: first.getType() };
    },

    async context() {
        const room = await roomOfTwo();
        const ids = [];
        for (let n = 0; n < 40; n++) ids.push(await alice.say(room, `message ${n}`));
        await bob.sees(room, ids.at(-1));
        const phone = await phoneOf(bob);
        const timeline = await phone.client.getEventTimeline(phone.room(room).getUnfilteredTimelineSet(), ids[10]);
        const shown = () => timeline.getEvents().map((event) => ids.indexOf(event.getId())).filter((n) => n >= 0);
        const around = shown();
        await phone.client.paginateEventTimeline(timeline, { backwards: false, limit: 5 });
        await phone.client.paginateEventTimeline(timeline, { backwards: true, limit: 30 });
        return { around, paged: shown() };
    },

    async tags() {
        const phone = await phoneOf(alice);
        await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.5 });
        await phone.until("the tag", () => phone.room(roomId).tags["m.favourite"]);
        const set = phone.room(roomId).tags;
        await alice.client.deleteRoomTag(roomId, "m.favourite");
        await phone.until("no tag", () => !phone.room(roomId).tags["m.favourite"]);
        return { set };
    },

    async account_data() {
        const phone = await phoneOf(alice);
        await alice.client.setAccountData("org.example.theme", { dark: true });
        await alice.client.setRoomAccountData(roomId, "org.example.colour", { colour: "red" });
        const theme = await phone.until("the theme", () => phone.client.getAccountData("org.example.theme"));
        const colour = await phone.until("the colour", () => phone.room(roomId).getAccountData("org.example.colour"));
        const stored = await alice.client.getAccountDataFromServer("org.example.theme");
        return { theme: theme.getContent(), colour: colour.getContent(), stored };
    },

    async muted_room() {
        const room = await roomOfTwo();
        await bob.client.setRoomMutePushRule("global", room, true);
        await bob.until("the rule", () => bob.client.getRoomPushRule("global", room));
        const muted = await bob.sees(room, await alice.say(room, "unheard"));
        const after = bob.client.getPushActionsForEvent(muted).notify;
        return { notify: after, unread: (await phoneOf(bob)).unread(room) };
    },

    async name_and_topic() {
        await alice.client.setRoomName(roomId, "해돋이 낚시");
        await alice.client.setRoomTopic(roomId, "five o'clock");
        return Promise.all([bob, carol].map(async (person) => {
            const topic = () => person.room(roomId).currentState?.getStateEvents("m.room.topic", "")?.getContent().topic;
            await person.until("the topic", topic);
            return [person.room(roomId).name, topic()];
        }));
    },

    async direct_room() {
        await bob.client.setDisplayName("Bob Byeon");
        const options = { preset: "trusted_private_chat", is_direct: true, invite: [alice.userId] };
        const { room_id: room } = await bob.client.createRoom(options);
        const invited = await alice.until("the invite", () => isIn(alice, room, "invite"));
        const inviter = names[invited.getDMInviter()];
        await alice.client.joinRoom(room);
        await alice.until("bob", () => isIn(alice, room, "join")?.getJoinedMemberCount() === 2);
        await alice.until("the room's name", () => alice.room(room).name === "Bob Byeon");
        await bob.until("alice", () => isIn(bob, room, "join")?.getJoinedMemberCount() === 2);
        return { inviter, guess: names[alice.room(room).guessDMUserId()] };
    },

    async profile() {
        await alice.client.setDisplayName("앨리스");
        const picture = `mxc://${serverName}/picture`;
        await alice.client.setAvatarUrl(picture);
        const member = () => carol.room(roomId).getMember(alice.userId);
        await carol.until("the picture", () => member().getMxcAvatarUrl() === picture);
        const { displayname, avatar_url } = await carol.client.getProfileInfo(alice.userId);
        return { shown: member().name, displayname, picture: avatar_url === picture };
    },

    async presence() {
        const before = bob.client.getUser(alice.userId)?.presence; // she syncs, so she is there
        await alice.client.setPresence({ presence: "online", status_msg: "by the sea" });
        const status = () => bob.client.getUser(alice.userId)?.presenceStatusMsg;
        await bob.until("her status", () => status() === "by the sea");
        return { before, after: bob.client.getUser(alice.userId).presence, status: status() };
    },

    async members_are_loaded_on_demand() {
        await alice.say(roomId, "last word");
        const phone = await phoneOf(bob);
        await phone.room(roomId).loadMembersIfNeeded();
        return phone.room(roomId).getJoinedMembers().map((member) => names[member.userId]).sort();
    },

    async kick_and_ban() {
        const room = await roomOfTwo();
        await alice.client.invite(room, carol.userId);
        await carol.until("the invite", () => isIn(carol, room, "invite"));
        await carol.client.joinRoom(room);
        await bob.until("carol", () => bob.room(room).getMember(carol.userId)?.membership === "join");
        await alice.client.kick(room, carol.userId, "cool down");
        await carol.until("that she is out", () => isIn(carol, room, "leave"));
        await bob.until("the kick", () => bob.room(room).getMember(carol.userId).membership === "leave");
        await alice.client.ban(room, bob.userId, "spam");
        await bob.until("the ban", () => isIn(bob, room, "ban"));
        const refused = await refusal(bob.say(room, "hey"));
        const ban = bob.room(room).getMember(bob.userId).events.member;
        await alice.client.unban(room, bob.userId);
        await alice.until("the unban", () => alice.room(room).getMember(bob.userId).membership === "leave");
        return { refused, reason: ban.getContent().reason };
    },

    async alias_and_directory() {
        const { room_id: room } = await alice.client.createRoom({
            preset: "public_chat", visibility: "public", name: `Harbour ${unique}`, room_alias_name: `harbour-${unique}`,
        });
        const alias = `#harbour-${unique}:${serverName}`;
        const found = await bob.client.publicRooms({ limit: 10, filter: { generic_search_term: unique } });
        const resolved = (await bob.client.getRoomIdForAlias(alias)).room_id;
        await bob.client.joinRoom(alias);
        await bob.until("the room", () => isIn(bob, room, "join")?.getCanonicalAlias() === alias);
        await alice.until("bob", () => alice.room(room).getMember(bob.userId)?.membership === "join");
        return { found: found.chunk.map((entry) => entry.room_id === room), resolved: resolved === room };
    },

    async room_upgrade() {
        const { room_id: old } = await alice.client.createRoom({
            preset: "private_chat", name: "Old house", room_version: "11", invite: [bob.userId],
        });
        await bob.client.joinRoom(old);
        await alice.until("bob", () => isIn(alice, old, "join")?.getJoinedMemberCount() === 2);
        const { replacement_room: replacement } = await alice.client.upgradeRoom(old, "12");
        const tombstone = await bob.until("the tombstone", () => (
            bob.room(old)?.currentState?.getStateEvents("m.room.tombstone", "")
        ));
        await alice.client.invite(replacement, bob.userId);
        await bob.until("the invite", () => isIn(bob, replacement, "invite"));
        await bob.client.joinRoom(replacement);
        const room = await bob.until("the new room", () => {
            const room = isIn(bob, replacement, "join");
            return room?.currentState?.getStateEvents("m.room.create", "") && room;
        });
        return {
            tombstone: tombstone.getContent().replacement_room === replacement,
            predecessor: room.findPredecessor()?.roomId === old,
            version: room.getVersion(),
            name: room.name,
            closed: await refusal(bob.say(old, "is anybody here?")),
        };
    },

    async logout() {
        const phone = await carol.anotherDevice("carol's phone");
        const deviceId = phone.client.getDeviceId();
        const listed = async () => (await carol.client.getDevices()).devices.some((entry) => entry.device_id === deviceId);
        const before = await listed();
        let noticed = false;
        phone.client.once("Session.logged_out", () => (noticed = true));
        await phone.client.logout();
        return { before, after: await listed(), refused: await refusal(phone.client.whoami()), noticed };
    },
};

/** The person's room, if this is their membership in it; else undefined. */
function isIn(person, roomId, membership) {
    const room = person.room(roomId);
    return room?.getMyMembership() === membership ? room : undefined;
}

async function phoneOf(person) {
    const phone = await person.anotherDevice(`${person.name}'s phone`);
    phones.push(phone);
    return phone.start();
}

/** A new room that alice created and bob joined. */
async function roomOfTwo() {
    const { room_id: room } = await alice.client.createRoom({ preset: "private_chat", invite: [bob.userId] });
    await bob.client.joinRoom(room);
    for (const person of [alice, bob]) {
        await person.until("both", () => isIn(person, room, "join")?.getJoinedMemberCount() === 2);
    }
    return room;
}

function sameMembers(some, others) {
    return JSON.stringify([...some].sort()) === JSON.stringify([...others].sort());
}

/** The error code with which a request was refused. */
async function refusal(request) {
    try {
        await request;
        return "not refused";
    } catch (error) {
        return error.errcode;
    }
}

/** Some of the SDK's promises wait for ever when the server leaves something out. */
function inTime(promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the step did not end in ${STEP_MS} ms`)), STEP_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function run(step, act) {
    if (performance.now() > RUN_MS) return { step, error: `not tried: the steps before it took over ${RUN_MS} ms` };
    try {
        return { step, saw: await inTime(act()) };
    } catch (error) {
        return { step, error: String(error.stack ?? error) };
    } finally {
        phones.splice(0).forEach((phone) => phone.stop());
    }
}

for (const [step, act] of Object.entries(conversation)) {
    const started = performance.now();
    const result = await run(step, act);
    process.stdout.write(`${JSON.stringify({ ...result, ms: Math.round(performance.now() - started) })}\n`);
}
everybody.forEach((person) => person.stop());
process.exit(0);
