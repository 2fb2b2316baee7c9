-- A channel's desk, its approved texts, its programs' keys, and what those programs are told. Times in ms.

-- What the desk does by itself. away_text '': it says nothing. away_until: closed until then, whatever the hours say.
CREATE TABLE desk_settings (
    channel_id text PRIMARY KEY REFERENCES channels,
    greeting text NOT NULL DEFAULT '',
    away_text text NOT NULL DEFAULT '',
    away_until bigint NOT NULL DEFAULT 0,
    bot_first boolean NOT NULL DEFAULT false,
    changed_ts bigint NOT NULL
);

-- One for each customer of a channel. since_ts: of the first message that nobody has answered. heard_pos: up to where
-- the customer was heard. place: what lists are ordered by, who waits longest first, then the newest.
-- A conversation has one agent exactly while it is open.
CREATE TABLE desk_conversations (
    conversation_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    customer text NOT NULL,
    room_id text NOT NULL,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'bot', 'waiting', 'open')),
    agent text,
    since_ts bigint,
    newest_ts bigint NOT NULL,
    heard_pos bigint NOT NULL DEFAULT 0,
    cases integer NOT NULL DEFAULT 0,
    away_told_ts bigint NOT NULL DEFAULT 0,
    unread_told boolean NOT NULL DEFAULT false,
    place bigint GENERATED ALWAYS AS (coalesce(since_ts, 9000000000000000 - newest_ts)) STORED,
    UNIQUE (channel_id, customer),
    CONSTRAINT desk_one_agent_while_open CHECK ((state = 'open') = (agent IS NOT NULL)),
    CONSTRAINT desk_nobody_waits_closed CHECK (state <> 'closed' OR since_ts IS NULL),
    CONSTRAINT desk_who_waits_has_a_place CHECK (state <> 'waiting' OR since_ts IS NOT NULL)
);
CREATE INDEX desk_conversations_list ON desk_conversations (channel_id, state, place, conversation_id);
CREATE INDEX desk_conversations_agent ON desk_conversations (channel_id, agent) WHERE agent IS NOT NULL;
CREATE INDEX desk_conversations_room ON desk_conversations (room_id);

-- Who had a conversation from when to when. No two at once.
CREATE TABLE desk_assignments (
    conversation_id text NOT NULL REFERENCES desk_conversations,
    agent text NOT NULL,
    from_ts bigint NOT NULL,
    until_ts bigint
);
CREATE UNIQUE INDEX desk_never_two_agents ON desk_assignments (conversation_id) WHERE until_ts IS NULL;
CREATE INDEX desk_assignments_order ON desk_assignments (conversation_id, from_ts);

-- It follows from the conversations, whoever writes them.
CREATE FUNCTION desk_assigned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.agent IS NOT DISTINCT FROM NEW.agent THEN RETURN NULL; END IF;
    UPDATE desk_assignments SET until_ts = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        WHERE conversation_id = NEW.conversation_id AND until_ts IS NULL;
    IF NEW.agent IS NOT NULL THEN
        INSERT INTO desk_assignments (conversation_id, agent, from_ts)
        VALUES (NEW.conversation_id, NEW.agent, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER desk_assigned AFTER INSERT OR UPDATE OF agent ON desk_conversations
    FOR EACH ROW EXECUTE FUNCTION desk_assigned();

-- From a customer's first message until it is closed. answered_ts: the first answer; by_person_ts: of a person.
CREATE TABLE desk_cases (
    conversation_id text NOT NULL REFERENCES desk_conversations,
    number integer NOT NULL,
    channel_id text NOT NULL,
    opened_ts bigint NOT NULL,
    answered_ts bigint,
    by_person_ts bigint,
    closed_ts bigint,
    PRIMARY KEY (conversation_id, number)
);
CREATE INDEX desk_cases_opened ON desk_cases (channel_id, opened_ts);

-- Written by agents for agents. Nothing of it is ever in a room.
CREATE TABLE desk_notes (
    note_id text PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES desk_conversations,
    author text NOT NULL,
    body text NOT NULL,
    made_ts bigint NOT NULL
);
CREATE INDEX desk_notes_order ON desk_notes (conversation_id, made_ts, note_id);

-- Answers that are given often.
CREATE TABLE desk_replies (
    reply_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    name text NOT NULL,
    body text NOT NULL,
    changed_by text NOT NULL,
    changed_ts bigint NOT NULL,
    UNIQUE (channel_id, name)
);

-- What was said to one customer, by whom in truth, and by which row of the outbox; the words stand in the room.
CREATE TABLE channel_messages (
    message_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    user_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('agent', 'bot', 'desk', 'template')),
    author text NOT NULL,
    template_id text,
    version integer,
    outbox_id bigint NOT NULL UNIQUE,
    made_ts bigint NOT NULL
);
CREATE INDEX channel_messages_newest ON channel_messages (channel_id, made_ts, message_id);

-- text: the whole of what is approved (JSON), by its version. What was submitted is not changed any more.
CREATE TABLE channel_templates (
    template_id text NOT NULL,
    version integer NOT NULL,
    channel_id text NOT NULL REFERENCES channels,
    text bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'refused', 'retired')),
    why text NOT NULL DEFAULT '',
    author text NOT NULL,
    decided_by text,
    made_ts bigint NOT NULL,
    decided_ts bigint,
    PRIMARY KEY (template_id, version)
);
CREATE UNIQUE INDEX channel_templates_one_under_way ON channel_templates (template_id)
    WHERE state IN ('draft', 'submitted');
CREATE INDEX channel_templates_of ON channel_templates (channel_id, template_id, version);
CREATE INDEX channel_templates_waiting ON channel_templates (made_ts, template_id) WHERE state = 'submitted';
CREATE FUNCTION channel_templates_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.template_id, NEW.version, NEW.channel_id) IS DISTINCT FROM (OLD.template_id, OLD.version, OLD.channel_id)
        OR (OLD.state <> 'draft' AND NEW.text IS DISTINCT FROM OLD.text)
    THEN
        RAISE EXCEPTION 'a template that was submitted is never changed';
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (('draft', 'submitted'), ('submitted', 'draft'),
        ('submitted', 'approved'), ('submitted', 'refused'), ('approved', 'retired'))
    THEN
        RAISE EXCEPTION 'a template that is % never becomes %', OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER channel_templates_stay BEFORE UPDATE ON channel_templates
    FOR EACH ROW EXECUTE FUNCTION channel_templates_stay();

-- Keys of a channel's programs: of the secret its SHA-256 alone.
CREATE TABLE channel_keys (
    key_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    made_by text NOT NULL,
    made_ts bigint NOT NULL,
    used_ts bigint,
    revoked_ts bigint
);
CREATE INDEX channel_keys_of ON channel_keys (channel_id, made_ts, key_id);

-- Where a channel's programs are told. types: all, if empty. secret: signs, and so stands here as it is;
-- old_secret signs as well until old_until. One worker at a time tells an endpoint: whoever holds the lease; what a
-- holder of before writes is refused by the fence. failing_ts: since when nothing was taken.
CREATE TABLE webhook_endpoints (
    endpoint_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    url text NOT NULL,
    types text[] NOT NULL,
    secret text NOT NULL,
    old_secret text,
    old_until bigint NOT NULL DEFAULT 0,
    made_by text NOT NULL,
    made_ts bigint NOT NULL,
    disabled_ts bigint,
    disabled_why text NOT NULL DEFAULT '',
    failing_ts bigint,
    last_why text NOT NULL DEFAULT '',
    taken_ts bigint,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX webhook_endpoints_of ON webhook_endpoints (channel_id, made_ts, endpoint_id);
CREATE INDEX webhook_endpoints_due ON webhook_endpoints (due_at) WHERE disabled_ts IS NULL;

-- What an endpoint is to be told, in this order. A row goes when the receiver has taken it.
CREATE TABLE webhook_deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    webhook_id text NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL,
    made_ts bigint NOT NULL
);
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (endpoint_id, delivery_id);

-- How far receipts were looked at.
CREATE TABLE webhook_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos bigint NOT NULL
);
INSERT INTO webhook_progress (pos) SELECT pos FROM stream;
