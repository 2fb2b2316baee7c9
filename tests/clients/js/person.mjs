// One person with a real client, matrix-js-sdk: signs up, syncs by itself, and can wait until something is seen.
import "./quiet.mjs";
import { randomBytes } from "node:crypto";
import * as sdk from "matrix-js-sdk";
import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

export const DEADLINE_MS = 60_000; // what is waited for takes milliseconds, but the machine may be busy
const AWAY_MS = 45_000; // a server that is started again, on a busy machine
export const PASSWORD = "beacon fires at dusk";
const CLIENT_EVENTS = [
    "sync", "event", "accountData", "toDeviceEvent", "deleteRoom", "User.presence", "Room.timeline", "Room.receipt",
    "Room.tags", "Room.redaction", "Room.myMembership", "Room.name", "RoomMember.typing", "RoomMember.membership",
    "RoomState.events", "Event.replaced", "Event.decrypted",
];
const ROOM_EVENTS = ["Thread.new", "Thread.update", "Thread.newReply", "Room.UnreadNotifications", "Room.Summary"];

export class Person {
    #checks = new Set();
    #crypto;
    #sliding;

    /**
     * @param credentials {baseUrl, userId, deviceId, accessToken}; crypto: with end-to-end encryption; secrets: callbacks
     *     that know the recovery key; sliding: looks at so many rooms by sliding sync
     */
    constructor(name, credentials, { crypto = false, secrets = {}, sliding = 0 } = {}) {
        this.name = name;
        this.#crypto = crypto;
        this.#sliding = sliding;
        const options = { timelineSupport: true, disableVoip: true, cryptoCallbacks: secrets };
        this.client = sdk.createClient({ ...credentials, ...options });
        const check = () => this.#checks.forEach((run) => run());
        CLIENT_EVENTS.forEach((kind) => this.client.on(kind, check));
        this.client.on("Room", (room) => ROOM_EVENTS.forEach((kind) => room.on(kind, check)));
    }

    /** Signs somebody new up and starts their client. The name gets a random part: a server may have been used before. */
    static async signUp(baseUrl, name, options) {
        const username = `${name}-${randomBytes(4).toString("hex")}`;
        const answer = await sdk.createClient({ baseUrl }).registerRequest({
            username,
            password: PASSWORD,
            initial_device_display_name: "first device",
            auth: { type: "m.login.dummy" },
        });
        return new Person(name, credentialsOf(baseUrl, answer), options).start();
    }

    /** Starts a client for somebody without an account. */
    static async asGuest(baseUrl, name) {
        const body = { initial_device_display_name: "a browser" };
        const answer = await sdk.createClient({ baseUrl }).registerRequest(body, "guest");
        const guest = new Person(name, credentialsOf(baseUrl, answer));
        guest.client.setGuest(true);
        return guest.start();
    }

    /** The same person signed in on another device, which does not sync before `start`. */
    anotherDevice(name, options) {
        return Person.signIn(this.client.baseUrl, name, { user: this.userId, password: PASSWORD }, options);
    }

    /** Signs in somebody who has an account. It does not sync before `start`. */
    static async signIn(baseUrl, name, { user, password }, options) {
        const answer = await sdk.createClient({ baseUrl }).loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user },
            password,
        });
        return new Person(name, credentialsOf(baseUrl, answer), options);
    }

    /** Begins to sync and resolves, with this, after the first. */
    async start() {
        if (this.#crypto) await this.client.initRustCrypto({ useIndexedDB: false });
        const slidingSync = this.#sliding ? this.#slidingSync() : undefined;
        await this.client.startClient({ lazyLoadMembers: true, threadSupport: true, initialSyncLimit: 8, slidingSync });
        await this.until("the first sync", () => this.client.isInitialSyncComplete());
        return this;
    }

    #slidingSync() {
        const required_state = [
            ["m.room.create", ""], ["m.room.name", ""], ["m.room.encryption", ""], ["m.room.power_levels", ""],
            ["m.room.member", "$ME"], ["m.room.member", "$LAZY"],
        ];
        const list = { ranges: [[0, this.#sliding - 1]], timeline_limit: 8, required_state };
        const room = { timeline_limit: 20, required_state: [...required_state, ["m.room.topic", ""]] };
        this.sliding = new SlidingSync(this.client.baseUrl, new Map([["rooms", list]]), room, this.client, 20_000);
        return this.sliding;
    }

    get userId() {
        return this.client.getUserId();
    }

    room(roomId) {
        return this.client.getRoom(roomId);
    }

    /** An event of any timeline of the room, threads included, or undefined. */
    event(roomId, eventId) {
        return this.room(roomId)?.findEventById(eventId);
    }

    /** Resolves with what `condition` gives as soon as that is true. Checked after everything the client emits. */
    until(what, condition) {
        return new Promise((resolve, reject) => {
            const end = (settle, value) => {
                clearTimeout(timer);
                this.#checks.delete(check);
                settle(value);
            };
            const check = () => {
                try {
                    const found = condition();
                    if (found) end(resolve, found);
                } catch (error) {
                    end(reject, error);
                }
            };
            const late = () => end(reject, new Error(`${this.name} did not see ${what} in ${DEADLINE_MS} ms`));
            const timer = setTimeout(late, DEADLINE_MS);
            this.#checks.add(check);
            check();
        });
    }

    sees(roomId, eventId) {
        return this.until(`event ${eventId}`, () => this.event(roomId, eventId));
    }

    /** Sends an event and gives its id. */
    async send(roomId, type, content) {
        return (await this.client.sendEvent(roomId, type, content)).event_id;
    }

    say(roomId, body, more = {}) {
        return this.send(roomId, "m.room.message", { msgtype: "m.text", body, ...more });
    }

    /** As `say`, but what could not be sent is sent again, as the same event, until the server has it. */
    async deliver(roomId, body) {
        const end = performance.now() + AWAY_MS;
        try {
            return await this.say(roomId, body);
        } catch (error) {
            for (;;) {
                if (performance.now() > end) throw error;
                const events = this.room(roomId).getLiveTimeline().getEvents();
                const unsent = events.find((event) => event.status === "not_sent" && event.getContent().body === body);
                if (!unsent) throw error;
                const again = this.client.resendEvent(unsent, this.room(roomId));
                const sent = await again.catch(() => new Promise((resolve) => setTimeout(resolve, 200)));
                if (sent) return sent.event_id;
            }
        }
    }

    /** Answers in the thread of this root, which the client must know already, as one has that shows it. */
    async reply(roomId, root, body) {
        return (await this.client.sendTextMessage(roomId, root, body)).event_id;
    }

    edit(roomId, eventId, body) {
        return this.say(roomId, `* ${body}`, {
            "m.new_content": { msgtype: "m.text", body },
            "m.relates_to": { rel_type: "m.replace", event_id: eventId },
        });
    }

    react(roomId, eventId, key) {
        return this.send(roomId, "m.reaction", {
            "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key },
        });
    }

    async redact(roomId, eventId, reason) {
        return (await this.client.redactEvent(roomId, eventId, undefined, { reason })).event_id;
    }

    /** Uploads a PNG, sends it as an image and gives the event's id. */
    async sendPhoto(roomId, data, name) {
        const file = new Blob([data], { type: "image/png" });
        const { content_uri: url } = await this.client.uploadContent(file, { name, type: "image/png" });
        const info = { mimetype: "image/png", size: data.length };
        return this.send(roomId, "m.room.message", { msgtype: "m.image", body: name, url, info });
    }

    /** Fetches media with the access token, as the protocol wants it. A width and a height ask for a thumbnail. */
    async download(mxc, width, height) {
        const url = this.client.mxcUrlToHttp(mxc, width, height, width && "scale", false, true, true);
        const answer = await fetch(url, { headers: { Authorization: `Bearer ${this.client.getAccessToken()}` } });
        const data = Buffer.from(await answer.arrayBuffer());
        return { status: answer.status, contentType: answer.headers.get("content-type"), data: data.toString("base64") };
    }

    /** The reactions to an event as the client shows them: key to number of people. */
    reactions(roomId, eventId) {
        const related = this.room(roomId)?.relations.getChildEventsForEvent(eventId, "m.annotation", "m.reaction");
        const keys = related?.getSortedAnnotationsByKey() ?? [];
        return Object.fromEntries(keys.filter(([, events]) => events.size).map(([key, events]) => [key, events.size]));
    }

    /** The text messages of the room's main timeline as the client shows them, oldest first. */
    bodies(roomId) {
        const events = this.room(roomId)?.getLiveTimeline().getEvents() ?? [];
        return events.filter((event) => event.getType() === "m.room.message").map((event) => event.getContent().body);
    }

    /** How many messages are unread: in all, and with the person's attention asked for. */
    unread(roomId) {
        const room = this.room(roomId);
        return [room.getRoomUnreadNotificationCount("total"), room.getRoomUnreadNotificationCount("highlight")];
    }

    stop() {
        this.client.stopClient();
    }
}

function credentialsOf(baseUrl, answer) {
    return { baseUrl, userId: answer.user_id, deviceId: answer.device_id, accessToken: answer.access_token };
}
