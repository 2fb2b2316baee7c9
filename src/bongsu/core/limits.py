"""Every limit of Bongsu, each with its reason. Units stand last in the names."""

# --- the protocol's own (client-server API, "Size limits"; appendices, "Identifier grammar", "Canonical JSON") ---
EVENT_BYTES_MAX = 65_536  # a complete PDU, in canonical JSON
ID_BYTES_MAX = 255  # user, room, event ids, aliases, event types and state keys
INTEGER_MAX = 2**53 - 1  # the largest integer that canonical JSON allows, in both signs

# --- what one request may cost ---
BODY_BYTES_MAX = 1_048_576  # any JSON body: sixteen of the largest events, more than any real client sends
JSON_DEPTH_MAX = 100  # real events nest below 10; parsers and clients recurse
PATH_BYTES_MAX = 4_096  # three ids of 255 bytes, percent-encoded, and room to spare
QUERY_BYTES_MAX = 65_536  # an inline filter in a GET /sync
HEADERS_BYTES_MAX = 16_384  # one access token and what proxies add
TXN_ID_BYTES_MAX = 255  # opaque to us; clients send timestamps and counters
HEAD_SECONDS_MAX = 15.0  # a request line and headers that take longer are a slow-request attack
BODY_SECONDS_MAX = 60.0  # a JSON body (media uploads have their own clock)
UPLOAD_IDLE_SECONDS_MAX = 30.0  # an upload that sends nothing for this long is dropped

# --- queues and waiting ---
COMMIT_QUEUE_MAX = 20_000  # writes waiting for a commit in one worker: about 1 s of the fastest measured rate
COMMIT_BATCH_MAX = 1_000  # writes in one transaction: beyond it the time to commit grows, the rate does not
COMMIT_UNKNOWN_SECONDS_MAX = 30.0  # how long a write of unknown outcome is looked for before the client is told
SYNC_TIMEOUT_MS_MAX = 120_000  # longest long poll; clients ask for 30 s
PARKED_SYNCS_PER_DEVICE_MAX = 4  # a client has one; tabs and retries bring a few

# --- pages ---
TIMELINE_EVENTS_DEFAULT = 20  # of /sync without a filter
PAGE_EVENTS_DEFAULT = 10  # of /messages, /context, /relations (the protocol's default)
PAGE_EVENTS_MAX = 1_000  # more than a screen can show; a page is built in memory
DIRECTORY_PAGE_MAX = 500

# --- caches of one worker ---
ROOMS_CACHED_MAX = 20_000  # about 20 kB each with their tail
ROOM_TAIL_EVENTS_MAX = 64  # newest events of a room kept in memory, more than a sync's timeline limit
READERS_CACHED_MAX = 50_000  # people who synced lately
TOKENS_CACHED_MAX = 100_000

# --- accounts ---
PASSWORD_BYTES_MAX = 512  # argon2 reads it all; longer ones only cost
DISPLAY_NAME_BYTES_MAX = 256
DEVICE_ID_BYTES_MAX = 255
DEVICES_PER_USER_MAX = 500
UIA_SESSION_SECONDS = 15 * 60
LOGIN_TOKEN_SECONDS = 120  # single use, carried from one screen to another
ACCOUNT_DATA_BYTES_MAX = 65_536
PROFILE_BYTES_MAX = 65_536  # the whole profile, as the protocol states
FILTER_BYTES_MAX = 65_536

# --- rooms ---
INVITES_PER_CREATE_MAX = 100
INITIAL_STATE_MAX = 100
ALIASES_PER_ROOM_MAX = 100
TYPING_MS_MAX = 120_000

# --- push rules ---
PUSH_RULES_MAX = 1_000  # own rules of one person; clients make one for each muted room or person, and for each keyword
PUSH_RULES_BYTES_MAX = 262_144  # all that one person changed, as JSON: every change of it goes to every device
PUSH_PATTERN_BYTES_MAX = 255  # one pattern, key or value of a condition; ids are the longest things worth naming
PUSH_SEARCHES_MAX = 200  # conditions that search a text or a list; each costs up to 0.1 ms in the largest event
PUSH_QUESTION_MARKS_BYTES_MAX = (
    128  # all patterns with a "?": compared at every place of a text, 33 ms in the worst one
)
PUSH_TYPES_CACHED_MAX = 64  # event types (with rooms and senders that rules name) whose rules one ruleset keeps sorted
