"""Every limit of Bongsu, each with its reason. Units stand last in the names."""

# --- the protocol's own (client-server API, "Size limits"; appendices, "Identifier grammar", "Canonical JSON") ---
EVENT_BYTES_MAX = 65_536  # a complete PDU, in canonical JSON
ID_BYTES_MAX = 255  # user, room, event ids, aliases, event types and state keys
INTEGER_MAX = 2**53 - 1  # the largest integer that canonical JSON allows, in both signs

# --- what one request may cost ---
BODY_BYTES_MAX = 1_048_576  # any JSON body: sixteen of the largest events, more than any real client sends
JSON_DEPTH_MAX = 100  # real events nest below 10; parsers and clients recurse
JSON_VALUES_MAX = 65_536  # in one body: more than an event can hold; reading so many takes 20 ms
PATH_BYTES_MAX = 4_096  # three ids of 255 bytes, percent-encoded, and room to spare
PATH_SEGMENTS_KEPT = 4_096  # decoded: ids of rooms and events that are asked for again and again
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
COMMIT_IDLE_SECONDS_MAX = 0.75  # a worker that holds the right to write and is silent may be in a burnt site
PRIMARY_ASKED_EVERY_SECONDS = 0.25  # how often the primary is asked whether it is there, when there are several hosts
PRIMARY_SILENT_SECONDS_MAX = 0.85  # a primary that says nothing for this long is lost: reads go on within 2 s
PRIMARY_FIRST_SECONDS_MAX = 60.0  # a worker that starts waits this long for a primary: a cluster may start with it
COPY_ANSWER_SECONDS_MAX = 1.0  # a copy that takes longer to connect and say what it is does not count
READ_WAIT_SECONDS_MAX = 2.75  # a read waits this long for a database that restarts; a private one takes about a second
WRITE_WAIT_SECONDS_MAX = 25.0  # a write outlasts a switch to another site; clients give up after 30 s or more
STATISTICS_LOOK_SECONDS = 2.0  # while much is written: a look costs a third of a millisecond of PostgreSQL
STATISTICS_MUCH = 64  # positions of the stream: with fewer no table has grown by what makes reading all of it dear
STATISTICS_QUIET_LOOKS = 15  # as many of them are left out while less is written
STOP_ANSWERS_SECONDS = 2.5  # before a stop cuts requests off, those that wait for a lost primary are told so
STOP_WRITES_SECONDS_MIN = 1.0  # what was queued gets this long, however short the time of the stop is
STOP_COMMIT_SECONDS_MAX = 1.0  # a primary that takes longer for an empty commit is lost to a worker that stops
STOP_ASKED_EVERY_SECONDS = 0.5  # until it has stopped
MIGRATION_LOCK_MS = 500  # a migration waits this long for a table: everybody who comes after waits behind it
MIGRATION_REST_SECONDS = 0.5  # before it tries again, so that those who waited get through
MIGRATION_TRIES = 240  # some minutes of a table that somebody reads all the time; then the start fails and says so
FIRST_SYNC_PIECE_ROOMS = 100  # of a first sync made and sent at a time: some hundred kB, whatever the account has
SYNC_TIMEOUT_MS_MAX = 120_000  # longest long poll; clients ask for 30 s
SYNC_LEAVING_SECONDS_MAX = 1.0  # in a site that is emptied: clients come back soon, and are sent elsewhere
PARKED_SYNCS_PER_DEVICE_MAX = 4  # a client has one; tabs and retries bring a few; not with rate limits off

# --- pressure and what is given up under it (core/tiers.py, core/pressure.py) ---
PRESSURE_TICK_SECONDS = 0.05  # how often the event loop is asked how late it is: costs 0.1 % of a core
PRESSURE_QUIET_SECONDS = 0.5  # the same while little is going on: looking would be most of an idle worker's work
PRESSURE_IDLE_SECONDS = 1.0  # and while nothing is: then it looks when all else does
PRESSURE_TICKS = 4  # from which the smallest counts: 0.2 s without one quiet moment is no burst
PRESSURE_LAG_MS_MAX = 25.0  # of the event loop: a send goes round it some four times, so it takes 0.1 s
PRESSURE_IN_FLIGHT_MAX = 2_000  # requests being answered: at 0.5 ms each, a second's work
PRESSURE_COMMITS_MAX = 2_000  # writes in line for a commit: two full batches
PRESSURE_LINES_MAX = 10_000  # who stands in booking lines: half of what may; they wait and take no work meanwhile
PRESSURE_READS_MAX = 100  # that wait for a connection to the database: ten for each connection, some 20 ms
PRESSURE_COMMIT_MS_MAX = 200.0  # that one commit takes while others wait: a message waits for one and a half of them
PRESSURE_COMMIT_AGE_MS_MAX = 500.0  # a commit under way that is still not done
PRESSURE_COMMIT_STANDS_MS = 1_500.0  # no batch is so large: the database is away, or its disk stands still
PRESSURE_CALM_SHARE = 0.5  # of the above: less is calm, between the two nothing changes
PRESSURE_CALM_MS = 2_000  # of calm for one level less: what was refused comes back within some seconds
TEXT_SHARE_FACTOR = 0.75  # less text at each look at the pressure, when there is nothing else to give up
TEXT_SHARE_STEP = 0.05  # more text at each calm look
TEXT_SHARE_MIN = 0.05
SHED_RETRY_MS = (2_000, 8_000)  # when to ask again, at random between: who was refused together must not come together
SHED_TEXT_RETRY_MS = (1_000, 4_000)  # the same for text: most clients give a message up after four tries

# --- connections ---
BACKLOG_MAX = 2_048  # connections the kernel holds until they are accepted; it tries again for those beyond
ACCEPTED_AT_ONCE_MAX = 16  # at each turn of the event loop; a turn should take milliseconds

# --- people who come anew, all at once after another site was lost (sync/admission.py) ---
ARRIVALS_AT_ONCE_MAX = 4  # first syncs worked on together: more make each slower, and everybody's messages late
ARRIVALS_IN_LINE_MAX = 400  # two seconds at the 200 a second that were measured; the others are told when to come
ARRIVALS_PER_PERSON_MAX = 4  # at work or in line: a phone, a laptop and more, but not a hundred before others
ARRIVAL_LINE_SECONDS_MAX = 10.0  # a place in the line is worth less than a new try after that
ARRIVAL_RETRY_SECONDS_MAX = 60.0  # the latest time that somebody is told to come
TOKENS_READ_AT_ONCE_MAX = 1_000  # unknown tokens looked up or in line for it; known people's messages need no look
PRESENCE_TOLD_AT_ONCE_MAX = 20  # "online" that syncs bring: each makes two queries in a commit that messages wait for

# --- pages ---
TIMELINE_EVENTS_DEFAULT = 20  # of /sync without a filter
PAGE_EVENTS_DEFAULT = 10  # of /messages, /context, /relations (the protocol's default)
PAGE_EVENTS_MAX = 1_000  # more than a screen can show; a page is built in memory
STREAM_EVENTS_MAX = 100  # of one answer of the old event stream; the client asks for more at once
HISTORY_SCAN_MAX = 10_000  # rows one page of history may look at when its filter matches few; 10 to 30 ms
FILTER_PATTERNS_MAX = 100  # event types with "*" in one part of a filter: each is tried on every type of event met
FILTER_PATTERNS_IN_SQL_MAX = 50  # event types with "*"; a filter with more is applied after reading
VISIBLE_RANGES_IN_SQL_MAX = 50  # stays and changes of visibility; what is more patchy is sorted out after reading
MEMBERS_AT_ONCE_MAX = 500  # members read and encoded before others get their turn: about 5 ms
RELATIONS_DEPTH_MAX = 3  # of /relations with recurse (the protocol asks for at least 3)
RELATIONS_RECURSED_MAX = 10_000  # related events looked at with recurse
REFERENCES_BUNDLED_MAX = 100  # m.reference ids shown with an event; /relations gives the rest
DIRECTORY_PAGE_MAX = 500
DIRECTORY_PAGE_DEFAULT = 100
HIERARCHY_PAGE_MAX = 50  # rooms of a space on one page
HIERARCHY_DEPTH_MAX = 10  # spaces in spaces that are walked into
HIERARCHY_ROOMS_MAX = 1_000  # rooms one walk through a space looks at
DIRECTORY_SEARCHED_MAX = 5_000  # published rooms one search by type looks at
SEARCH_TERM_BYTES_MAX = 255  # what is searched for in names and topics
SEARCH_TERMS_MAX = 10  # words of one search that count; each is looked for in every message that holds their pairs
SEARCH_TEXT_CHARACTERS_MAX = 16_384  # of a message, by which it is found: longer ones are logs and attacks
SEARCH_SCORED_CHARACTERS_MAX = 1_000  # of a message, that its rank is judged by
SEARCH_STRETCH_BITS = 14  # positions of the stream looked at first, in a power of two: what is common is there
SEARCH_STRETCHES_MAX = 1_024  # looked at by one query: each is one number in it
SEARCH_QUERIES_MAX = 20  # of one search: ten million events; then the next page goes on
SEARCH_UNINDEXED_QUERIES_MAX = 4  # the same for single characters, for which every message is read
SEARCH_WINDOW_MAX = 1_000  # newest matches that are ranked with each other
SEARCH_WINDOWS_MAX = 3  # of which nothing may be seen by whoever asks, until the next page goes on
SEARCH_ROOMS_NAMED_MAX = 2_000  # with more rooms than that, the query finds matches of all rooms and leaves some out
SEARCH_TAIL_MAX = 2_000  # newest events a search reads that are not in the index yet: about 20 ms
SEARCH_PAGE_MAX = 50  # results, each with what stands around it
SEARCH_CONTEXT_DEFAULT = 5  # events before and after each result (the protocol's default)
SEARCH_CONTEXT_MAX = 20
SEARCH_UPGRADES_MAX = 10  # of a room that is searched: its predecessors are searched with it
SEARCH_SECONDS_MAX = 5.0  # people wait no longer, and nothing that was measured came near
SEARCH_STATE_MEMBERS_MAX = 500  # of larger rooms, a search shows the members alone who speak on its page
INDEX_BATCH_MAX = 500  # events made searchable in one transaction, about 50 ms
INDEX_EVERY_SECONDS = 1.0  # how often a worker sees whether there is much to take into the index
INDEX_LATE_SECONDS = 6.0  # then little is taken in, too; until then searches read it themselves
INDEX_MUCH = 200  # positions of the stream: a batch of fewer costs as much again for itself
INDEX_PAUSE_SECONDS = 0.05  # between two batches, so that whoever is behind leaves room for messages
PEOPLE_FOUND_DEFAULT = 10  # of the user directory (the protocol's default)
PEOPLE_FOUND_MAX = 50
PEOPLE_MATCHED_MAX = 5_000  # shortest names that match and are looked at for whether they may be found: about 0.1 s
PEOPLE_RANKED_MAX = 500  # shortest names that match, ranked with each other
MUTUAL_ROOMS_PAGE_MAX = 200

REPORT_REASON_BYTES_MAX = 4_096  # what somebody says of what they report: a page
REPORTS_LISTED_MAX = 1_000  # by the command; what is older waits until these are closed

# --- caches of one worker ---
WEB_FILE_KEPT_BYTES_MAX = 65_536  # of the web client: what encrypts and its like is megabytes, and is seldom asked for
ROOMS_CACHED_MAX = 10_000  # about 10 kB each when quiet, 100 kB with a full tail that was read
ROOM_READS_MAX = 20  # tries to read a room whose members change while it is read; the second one nearly always holds
ROOM_TAIL_EVENTS_MAX = 50  # newest events of a room kept in memory, more than a sync's timeline limit
ROOM_RECEIPTS_MAX = 512  # newest receipts of a room kept in memory
READER_CHANGES_MAX = 512  # newest changes kept per person: a sync from before them asks the tables
READERS_CACHED_MAX = 50_000  # people who synced lately
TOKENS_CACHED_MAX = 100_000
TOKEN_HASHES_KEPT = 5_000  # of those who ask again and again
FILTERS_CACHED_MAX = 50_000  # stored filters by person: one for each who synced lately
FILTERS_COMPILED_MAX = 512  # filters that differ: every client program has its own one or two

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

# --- keys and devices ---
DEVICE_KEYS_BYTES_MAX = 16_384  # one device's identity or one cross-signing key: real ones have about 1 kB
ONE_TIME_KEY_BYTES_MAX = 4_096  # real ones have about 250 bytes
ONE_TIME_KEYS_MAX = 1_000  # of one device; clients keep 50 or 100
CLAIMED_KEY_SECONDS = 30 * 24 * 3_600  # how long the retry of an upload does not bring back a key that was claimed
KEYS_QUERIED_MAX = 1_000  # people in one query of keys; clients ask for 250
KEYS_CLAIMED_MAX = 5_000  # devices in one claim: a large room
KEYS_CLAIMED_AT_ONCE_MAX = 100  # of them in one transaction, about 5 ms, so that messages are not kept waiting
SIGNATURES_MAX = 1_000  # in one upload: a person signs their own devices and, one by one, other people
TO_DEVICE_MESSAGES_MAX = 1_000  # devices one request writes to; clients send to 250 at once
TO_DEVICE_BYTES_MAX = 4_194_304  # all that one request leaves behind: "*" turns one message into many
TO_DEVICE_SHOWN_MAX = 100  # messages in one sync: a device that was away gets the others with its next ones
TO_DEVICE_WAITING_MAX = 10_000  # kept for a device that never comes: about 30 MB of room keys
TO_DEVICE_SENT_SECONDS = 24 * 3_600  # how long the retry of a request sends nothing; clients give up much earlier
TO_DEVICE_SWEEP_SECONDS = 3_600  # how often what nobody comes for is looked at

# --- backups of room keys ---
KEY_BACKUPS_MAX = 100  # versions of one person; clients delete the one before when they make a new one
KEY_BACKUP_KEYS_MAX = 500_000  # of one person: ten years of a busy one, some 400 MB
KEY_BACKUP_KEY_BYTES_MAX = 3_072  # session_data of one key; real ones have about 700 bytes, and 60 for each forwarding
KEY_BACKUP_AUTH_BYTES_MAX = 65_536  # a public key, and a signature of each of the person's devices
KEY_BACKUP_KEYS_AT_ONCE_MAX = 1_000  # in one request; clients send a hundred or two
KEY_BACKUP_PAGE_KEYS = 1_000  # read and sent at once, about 1 MB and 10 ms

# --- rooms ---
INVITES_PER_CREATE_MAX = 100
INITIAL_STATE_MAX = 100
ALIASES_PER_ROOM_MAX = 100
GUESTS_SENT_AWAY_MAX = 500  # in the commit that closes a room to guests, about 0.3 s; closed again, the others go
BANS_KEPT_MAX = 500  # in the commit that replaces a room, about 0.3 s: the newest; older ones are for a moderator
ALLOWED_ROOMS_MAX = 100  # rooms named by a restricted join rule that are looked at
TYPING_MS_MAX = 120_000

# --- pushers and what is pushed ---
APP_ID_BYTES_MAX = 64  # the protocol's own
PUSHKEY_BYTES_MAX = 512  # the protocol's own
PUSHERS_MAX = 100  # of one person: a few devices, and what they left behind; the oldest go first
PUSH_URL_BYTES_MAX = 2_048  # browsers' push services use some 500
PUSHER_DATA_BYTES_MAX = 8_192  # sent along with every push
NOTIFICATIONS_DEFAULT = 20  # of GET /notifications
NOTIFICATIONS_MAX = 100  # on one page
NOTIFICATIONS_READ = 100  # newest events looked at in one go, found among as many of each room
NOTIFICATIONS_READ_MAX = 2_000  # then a page ends, however few were found: a busy room that is muted
PUSH_LEASE_SECONDS = 6.0  # a worker that dies is followed by another within so long; renewed thrice as often
PUSH_LEASE_SPARE_SECONDS = 1.0  # before its lease ends a worker sends nothing more
PUSH_LOOK_SECONDS = 2.0  # how often leases are renewed and pushers set elsewhere are looked for
PUSH_QUIET_SECONDS = 60.0  # the same where nobody has a pusher, which is asked with all that is due
PUSH_SET_SECONDS = 30.0  # how long ago a pusher may have been set and only now be seen: a commit that waited
PUSH_SEGMENTS_MAX = 1_000  # commits not yet looked at; more are found in the tables instead
PUSH_ROOMS_CACHED_MAX = 10_000  # rooms whose people with pushers a worker keeps in memory
PUSH_POSITIONS_MAX = 200_000  # how far back a worker looks for what is owed, after all were away
PUSH_PEOPLE_AT_ONCE = 100  # of a room whose rules are asked before others have their turn: under a millisecond
PUSH_ROUNDS_MAX = 6  # pushers whose rules are evaluated at the same time: most connections are for people who wait
PUSH_QUEUE_MAX = 50  # newest events that one pusher is told of after it could not be reached; nobody reads more
PUSH_BADGE_ROOMS_MAX = 200  # rooms with unread messages that a badge counts
PUSH_MERGE_SECONDS = 0.02  # what comes so close together is looked at together
PUSH_PRESSED_SECONDS = 1.0  # how much later each look is while something is given up: text comes first
PUSH_CONNECT_SECONDS_MAX = 5.0
PUSH_ANSWER_SECONDS_MAX = 10.0  # then the gateway is taken for silent, and tried again later
PUSH_ANSWER_BYTES_MAX = 65_536  # of what a gateway says
PUSH_AT_ONCE_MAX = 256  # pushes under way in one worker
PUSH_AT_ONCE_PER_HOST_MAX = 32  # of them at one gateway: a slow one holds back nobody else
PUSH_LOOKUPS_MAX = 2  # names looked up at once: the four threads that the event loop has for it are not for strangers
PUSH_KEPT_SECONDS = 60.0  # a connection to a gateway that is not used: the next push needs no look-up
PUSH_RETRY_SECONDS_MIN = 1.0  # after the first failure, doubled with each
PUSH_RETRY_SECONDS_MAX = 3_600.0
PUSH_GIVEN_UP_SECONDS = 24 * 3_600.0  # of failures: what is older is not news; the pusher stays
PUSH_RESUME_SECONDS = 1.0  # until a pusher is looked at again when the database could not be asked
PUSH_STOP_SECONDS = 3.0  # a worker that stops lets pushes under way end, so that they are not sent twice
PUSH_PREVIEW_CHARACTERS_MAX = 400  # of a text in a Web Push: more than a screen shows
PUSH_PREVIEW_BYTES_MAX = 3_993  # all of a Web Push before it is encrypted (RFC 8291): push services refuse more
PUSH_VAPID_SECONDS = 12 * 3_600  # how long a signature for a push service is good; 24 hours are allowed

# --- quiet hours ---
QUIET_SPANS_MAX = 14  # two a day of the week; each is looked at for every push
QUIET_LET_THROUGH_MAX = 200  # people and rooms each that may be told of in the quiet: more is no quiet
QUIET_MS_MAX = 4_102_444_800_000  # the year 2100: no pause needs to be longer, and calendars can still count with it
QUIET_ASKED_MAX = 1_000  # people whose quiet hours are read in one statement

# --- a person's own data, as a file ---
OWN_DATA_PAGE = 500  # rows read at a time: of the largest events 32 MB, of usual ones a quarter of one
OWN_DATA_PIECE_BYTES = 65_536  # of it, before it is packed, that leaves together

# --- push rules ---
PUSH_RULES_MAX = 1_000  # own rules of one person; clients make one for each muted room or person, and for each keyword
PUSH_RULES_BYTES_MAX = 262_144  # all that one person changed, as JSON: every change of it goes to every device
PUSH_PATTERN_BYTES_MAX = 255  # one pattern, key or value of a condition; ids are the longest things worth naming
PUSH_SEARCHES_MAX = 200  # conditions that search a text or a list; each costs up to 0.3 ms in the largest event
PUSH_QUESTION_MARKS_BYTES_MAX = (
    128  # all patterns with a "?": compared at every place of a text, 30 ms in the worst one
)
PUSH_TYPES_CACHED_MAX = 64  # event types (with rooms and senders that rules name) whose rules one ruleset keeps sorted
PUSH_EVENTS_CACHED_MAX = 64  # by ruleset: what is being told to its readers at this moment
PUSH_TEXTS_CACHED_MAX = 16  # texts made ready for searching: the readers of one message ask for it one after another
PUSH_NAMES_CACHED_MAX = 4_096  # display names made ready for searching, at most about 1 kB each
PUSH_PATHS_CACHED_MAX = 1_024  # keys of conditions; nearly all rules ask for the same few
FILTER_TYPES_CACHED_MAX = 256  # answers that one filter remembers; rooms use a few dozen event types

# --- sync ---
SHARED_PARTS_MAX = 512  # rooms' parts of syncs kept for the next reader: all are of the last moments
INTRODUCTIONS_MAX = 200_000  # memberships remembered as told to devices that load them lazily, about 20 MiB
INTRODUCED_DEVICES_MAX = 20_000  # about 5 MiB
UNREAD_EVENTS_MAX = 1_000  # counted when nothing is in memory; screens show "999+" at most
PRESENCE_SHOWN_MAX = 500  # people whose presence a fresh sync tells

# --- sliding sync ---
SLIDING_CONN_ID_BYTES_MAX = 255  # clients have two or three connections, with a word for each
SLIDING_LISTS_MAX = 20  # each is looked through with its own filters; clients have one, some five
SLIDING_RANGES_MAX = 50  # of one list
SLIDING_SUBSCRIPTIONS_MAX = 300  # rooms named one by one: what somebody scrolled past lately
SLIDING_REQUIRED_STATE_MAX = 200  # kinds of state in one list; clients name fifteen
SLIDING_FILTER_NAMES_MAX = 200  # spaces, tags or types that one filter names
SLIDING_NAME_BYTES_MAX = 255  # of what names, types and tags are compared with
SLIDING_TIMELINE_EVENTS_MAX = 500  # of one room; clients ask for 1 to 50
SLIDING_ROOMS_AT_ONCE_MAX = 500  # told as a whole in one answer: the next one, which comes at once, goes on
SLIDING_EVENTS_AT_ONCE_MAX = 20_000  # of their timelines, at most: some 10 MB
SLIDING_PARKED_PER_DEVICE_MAX = 8  # a client has two or three connections, and old ones that the network still holds
SLIDING_CONNECTIONS_PER_DEVICE_MAX = 8  # that have something in the table; the one used longest ago goes
SLIDING_VERSIONS_MAX = 4  # made from the same one: answers that may have been lost
SLIDING_CONFIGS_MAX = 12  # sets of required state that one connection remembers
SLIDING_ROOMS_MAX = 20_000  # that one connection remembers, at 7 bytes; of others it is told anew
SLIDING_TOKEN_BYTES_MAX = 1_200  # told in the token itself: some 150 rooms, and a URL of 2 kB
SLIDING_TOKEN_BYTES_AWAY_MAX = 6_000  # the same while nothing can be written, within what proxies let through
SLIDING_TOLD_CACHED_BYTES_MAX = 100_000_000  # of what connections were told, in memory: a million rooms
SLIDING_TOLD_BYTES_MAX = 262_144  # in the table: 20,000 rooms are 140 kB; what is more begins anew
SLIDING_UNPACKED_BYTES_MAX = 1_048_576  # of a token or a row, so that little cannot unpack into very much
SLIDING_VIEWS_MAX = 20  # filtered lists kept up to date for one person
SLIDING_KEPT_DAYS = 30  # a connection that nobody uses; its client then begins anew
SLIDING_SWEEP_SECONDS = 3_600

# --- media ---
UPLOAD_BYTES_MAX = 104_857_600  # one file: a few minutes of phone video; an operator may set another
UPLOAD_DAY_BYTES_MAX = 21_474_836_480  # of one person: two hundred of the largest; nobody fills the disks of all alone
UPLOAD_SECONDS_MAX = 3_600.0  # one upload: the largest file at 30 kB/s; a trickle must not hold its place for ever
UPLOADS_PER_USER_MAX = 16  # of one person under way in one worker; a browser opens six connections
UPLOAD_PIECE_BYTES_MAX = 16_777_216  # of a large file: what is sent again after a cut, some seconds of a phone's line
UPLOAD_PIECE_BYTES_MIN = 262_144  # but of the last one: so that the largest file is some hundred small files at most
UPLOAD_PIECES_SECONDS = 24 * 3_600  # since the newest piece; the id of the file has expired by then
UPLOAD_PIECES_SWEEP_SECONDS = 3_600.0
MEDIA_WAITING_PER_USER_MAX = 100  # ids created and not yet uploaded: an album chosen while the network is bad
MEDIA_WAITING_SECONDS = 24 * 3_600  # how long such an id lives, as the protocol recommends
MEDIA_WAITING_KEPT_SECONDS = 3_600  # and then its row, so that an upload that began in time can end
MEDIA_TIMEOUT_MS_DEFAULT = 20_000  # how long a download waits for an upload under way (the protocol's default)
MEDIA_TIMEOUT_MS_MAX = 60_000  # common proxies give up then
DOWNLOADS_WAITING_MAX = 1_000  # downloads that wait for their upload in one worker; further ones are answered at once
MEDIA_POLL_SECONDS = 0.5  # how often one worker asks for uploads that came in at another, in one query for all
FILE_NAME_BYTES_MAX = 1_024  # no common file system allows longer ones (255 characters of four bytes)
CONTENT_TYPE_BYTES_MAX = 255
BLOB_CHUNK_BYTES = 262_144  # read and written at once: few trips to a thread, little memory for each transfer
BLOB_THREADS_MAX = 8  # a disk gains nothing from more at once
BLOB_TEMPORARY_SECONDS_MAX = 3_600  # a temporary file that nobody wrote for so long is left from a crash
DISK_FREE_BYTES_MIN = 536_870_912  # uploads stop here, because the database needs room on the same disk for text
BLOB_HASH_BYTES = 4_194_304  # hashed in one trip to a thread: a few milliseconds
BLOBS_KNOWN_WHOLE_MAX = 100_000  # blobs that one worker has verified and need not hash again, 200 bytes each
COPY_SECONDS_MIN = 5.0  # another site may take this long to store the smallest file, its disk being busy
COPY_BYTES_PER_SECOND_MIN = 10_000_000  # and this is the slowest line between sites that an upload waits for
COPIES_UNDER_WAY_MAX = 64  # third copies that go on behind their acknowledgement in one worker; else repair makes them
COPY_GRACE_SECONDS = 10  # a third copy that is not there by then is brought by its own site
COPY_NOTES_SECONDS = 1.0  # how often a worker writes which copies came to be
COPY_NOTES_MAX = 10_000  # of those, kept while the database is away; what is forgotten, the repair finds out
PEER_HEAD_SECONDS_MAX = 2.0  # to say whether a file is there
PEER_ANSWER_BYTES_MAX = 4_096  # what another site says of a file it was given
FETCHES_MAX = 16  # files that one worker brings from other sites at once; each has one piece in memory
REPAIR_EVERY_SECONDS = 2.0  # how often a worker looks for what its site lacks
REPAIR_BATCH_MAX = 16  # blobs claimed at once by one worker
REPAIRS_AT_ONCE_MAX = 4  # people's own files come first
REPAIR_CLAIM_SECONDS = 120  # then another worker of the site may try: the first one has died
REPAIR_RETRY_SECONDS_MAX = 300  # between tries to bring a file that no site gave
MISSING_COUNTED_MAX = 100_000  # what a site lacks is counted up to this: more is "many"
ENROL_EVERY_SECONDS = 24 * 3_600  # how often all files are gone through for some that no site was told to hold
ENROL_BATCH_MAX = 1_000  # looked at in one statement, a few milliseconds
ENROL_PAUSE_SECONDS = 0.05  # between two of those
SCRUB_EVERY_SECONDS = 7 * 24 * 3_600  # how often each blob is read and compared with its name
SCRUB_BYTES_PER_SECOND = 16_777_216  # of one worker: a tenth of a slow disk, 1.4 TB a day
SCRUB_LOOK_SECONDS = 5.0  # how often a worker asks what is due
SCRUB_BATCH_MAX = 32  # blobs in one such answer
THUMBNAIL_SOURCE_BYTES_MAX = 67_108_864  # held in the thumbnail worker's memory; phone photos have 2–20 MB
THUMBNAIL_SOURCE_PIXELS_MAX = 50_000_000  # 200 MB when decoded; screens and scans have less
THUMBNAIL_JPEG_PIXELS_MAX = 210_000_000  # the largest phone cameras; a JPEG is decoded at an eighth of its size
THUMBNAIL_AS_IS_BYTES_MAX = 262_144  # a small picture is its own thumbnail; larger ones are made anew
THUMBNAIL_BYTES_MAX = 4_194_304  # a result: the largest animated one, and ten times the largest still
ANIMATION_FRAMES_MAX = 120  # longer ones get a still: a thumbnail is not a film
ANIMATION_PIXELS_MAX = 40_000_000  # all frames of an animated source together, and of its result: seconds of work
THUMBNAIL_WORKERS_MAX = 4  # processes, and never more than cores: text comes first
THUMBNAIL_QUEUE_MAX = 64  # thumbnails waiting for a worker, about 10 s of photos
THUMBNAIL_QUEUE_SECONDS_MAX = 20.0  # a client has gone or asks again by then
THUMBNAIL_SECONDS_MAX = 10.0  # one thumbnail, from the first byte; a photo takes 0.1–0.5 s
THUMBNAIL_CPU_SECONDS_MAX = 10  # the same, kept by the kernel should the server be unable to
THUMBNAIL_MEMORY_BYTES_MAX = 805_306_368  # address space of a worker: 50 million pixels twice, and the file
THUMBNAIL_IDLE_SECONDS_MAX = 60.0  # an unused worker ends and gives its memory back
THUMBNAIL_REFUSED_SECONDS = 600.0  # how long a picture that cannot be done is not tried again
THUMBNAIL_REFUSED_MAX = 1_000  # such pictures kept in mind

# --- previews of addresses ---
PREVIEW_URL_BYTES_MAX = 2_048  # longer ones are no pages that people send each other
PREVIEW_SECONDS_MAX = 6.0  # one address with all it leads to; the page, its description and its picture are three
PREVIEW_NAMES_MAX = 16  # names looked up at once; a name server that is silent holds each for some 20 s
PREVIEW_REDIRECTS_MAX = 5  # short links lead over two or three
PREVIEW_PAGE_BYTES_MAX = 524_288  # of a page: its head, and the beginning of what it says
PREVIEW_OEMBED_BYTES_MAX = 65_536
PREVIEW_PICTURE_BYTES_MAX = 8_388_608  # pictures of previews have 50 kB to 2 MB
PREVIEW_CHUNK_BYTES = 65_536  # read at once
PREVIEW_CHARSET_BYTES = 4_096  # of a page, in which it may name its character set; browsers look at 1,024
PREVIEW_META_MAX = 500  # meta elements that are read
PREVIEW_NODES_MAX = 50  # paragraphs and pictures that are looked at for want of better
PREVIEW_TITLE_CHARACTERS_MAX = 300
PREVIEW_TEXT_CHARACTERS_MAX = 1_000  # more than any client shows
PREVIEW_READ_SECONDS_MAX = 3.0  # in the process that reads pages; a real one takes 10 ms
PREVIEW_CPU_SECONDS_MAX = 3  # the same, kept by the kernel
PREVIEW_KEPT_SECONDS = 6 * 3_600  # pages change; a message is mostly read within hours
PREVIEW_FAILED_SECONDS = 600  # until an address that gave nothing is asked again
PREVIEW_POLL_SECONDS = 0.3  # how often a worker looks for the answer that another one fetches
PREVIEWS_AT_ONCE_MAX = 8  # addresses asked at once by one worker
PREVIEWS_UNDER_WAY_MAX = 64  # asked or in line; the others are told to come later
PREVIEWS_QUEUE_MAX = 64  # pages in line for the process that reads them
PREVIEWS_SWEPT_MAX = 20  # old ones that a new one clears away
PREVIEW_PICTURE_KEPT_SECONDS = 30 * 86_400  # since a preview showed it; who looks at older messages asks for it anew
FORGET_EVERY_SECONDS = 600.0  # how often a worker looks for pictures that are to go
FORGET_PAUSE_SECONDS = 1.0  # the same, while there are many
FORGOTTEN_AT_ONCE_MAX = 50  # pictures forgotten, and files removed, in one transaction
BLOB_YOUNG_SECONDS = 86_400.0  # bytes written since then may be an upload's under way, longer than any takes

# --- backups ---
BACKUP_FULL_DAYS = 7  # a full copy at least this often: a restore puts together at most a week of changes
BACKUP_CHAIN_MAX = 30  # copies that build on each other: each must be whole for the last to be of use
BACKUP_COPIES_MIN = 2  # never fewer stay, however old: one of them may prove damaged
BACKUP_BEHIND_SECONDS_MAX = 30.0  # how long a verification waits for the archive, which is milliseconds behind
BACKUP_RETRY_SECONDS = 1.0  # before the archive calls again after it was cut off
BACKUP_BLOBS_SECONDS = 20.0  # how often new photos and files are looked for: a look at 100,000 takes about a second
BACKUP_BLOBS_HASHED = 1_000  # newest photos and files that a verification reads to the end: some seconds of disk
BACKUP_REPLAY_SECONDS_MAX = 24 * 3_600.0  # one replay of the log: a week of a busy server, and far too long otherwise

# --- signing in ---
USERNAME_BYTES_MAX = 1_024  # read before it is judged; a user id itself has 255
PASSWORD_CHARACTERS_MIN = 8  # shorter ones are guessed within the rates below
PASSWORD_THREADS = 2  # each hash takes a processor and 19 MiB for about 30 ms
PASSWORDS_WAITING_MAX = 60  # about 1 s of work for the threads; whoever comes then is asked to try again
ACCESS_TOKEN_SECONDS = 3_600  # of clients that can refresh; the others' do not expire
TOKEN_BYTES_MAX = 64  # ours have 47; longer ones are not worth a query
TOKEN_TRUSTED_SECONDS = 300  # a token in memory is looked up again after this: a lost notice of its end ends here
SEEN_EVERY_SECONDS = 240  # how exact "last seen" is: the protocol allows some minutes
SEEN_WRITE_SECONDS = 20  # how often a worker writes what it saw
SEEN_WAITING_MAX = 20_000  # devices seen and not yet written; more are left out until the next round
ADMIN_NONCE_SECONDS = 60  # between asking for a nonce and registering with it: a script does it at once
SESSIONS_SWEPT_MAX = 100  # expired ones that a new one clears away, so that the table cannot grow
LEAVES_AT_ONCE_MAX = 20  # rooms that a deactivated account leaves at the same time

# --- application services ---
SERVICE_TOKEN_CHARACTERS_MIN = 16  # of as_token and hs_token; generators make 32 or more
SERVICE_PATTERN_CHARACTERS_MAX = 1_024  # of one pattern of a namespace: every id is held against all of them
SERVICE_PEOPLE_CACHED_MAX = 20_000  # whom services asked for lately, about 500 bytes each
SERVICE_CONNECT_SECONDS_MAX = 5.0  # bridges stand near
SERVICE_QUERY_SECONDS_MAX = 10.0  # to make a person or a room, or to look somebody up: a client waits for it
SERVICE_PING_SECONDS_MAX = 5.0  # a bridge has nothing to do for it
SERVICE_TRANSACTION_SECONDS_MAX = 60.0  # bridges may answer when they have worked through all of it
SERVICE_ANSWER_BYTES_MAX = 1_048_576  # a long list of networks; what is longer is cut off
SERVICE_EVENTS_MAX = 100  # in one transaction: what is sent again after a fault
SERVICE_ROOMS_CACHED_MAX = 10_000  # rooms whose bridged people the teller of one service keeps in memory
SERVICE_PASSED_POSITIONS = 5_000  # without anything to tell, then it is noted: one look at the table after a crash
SERVICE_LEASE_SECONDS = 6.0  # a worker that dies is followed by another within so long; renewed thrice as often
SERVICE_LOOK_SECONDS = 3.0  # how often others try to take the lease, or what failed is tried again
SERVICE_RETRY_SECONDS_MIN = 0.5  # after the first failure, doubled with each
SERVICE_RETRY_SECONDS_MAX = 300.0  # a bridge that was repaired pings, which ends the wait; else within five minutes

# --- what the server tells people ---
NOTICE_BYTES_MAX = 32_768  # of one text: half an event
NOTICE_PEOPLE_PAGE = 1_000  # read at once when all are told
NOTICES_AT_ONCE_MAX = 5  # under way together: each may make a room, some 10 ms of a commit that messages wait for

# --- what services share ---
DUE_LOOK_SECONDS = 1.0  # how often a worker asks what is due and what time it is, in one question: nobody sees it
ROUND_SECONDS = 10.0  # work is looked for so often if nothing says that there is any
DUE_ROUND_SECONDS = 60.0  # the same for what is asked after with all that is due
REST_SECONDS_MAX = 0.5  # of work that gives way to messages, after each piece of it
CLOCK_ANSWER_MS_MAX = 400  # of an answer that says anything: half of it is what it may be wrong by
CLOCK_NOISE_MS = 250  # a difference of clocks that nobody notices in what is due
TIMERS_TOGETHER_MAX = 500  # of a kind that goes off for many at one moment, in one transaction
TIMER_RETRY_MS_MIN = 1_000  # after a handler's first failure, doubled with each
TIMER_RETRY_MS_MAX = 60_000  # a fault of the moment is over in seconds; one of the program may last
SERVICE_WRITES_AT_ONCE_MAX = 3  # of a worker's ten connections: each may stand and wait for a row
OUTBOX_AT_ONCE_MAX = 5  # under way together: each may make a room, some 10 ms of a commit that messages wait for
OUTBOX_CLAIM_SECONDS = 20.0  # then another worker may post it: longer than a change of primary
OUTBOX_TRIES_IN_ORDER_MAX = 10  # some minutes: then what comes after it is said all the same
OUTBOX_RETRY_SECONDS_MIN = 1.0  # after the first failure, doubled with each
OUTBOX_RETRY_SECONDS_MAX = 60.0
COMMAND_CHARACTERS_MAX = 500  # of one line to a service: a request with its note
COMMAND_SEARCHED_CHARACTERS_MAX = 4_000  # of a message that quotes what it answers before its command
COMMAND_CLAIM_SECONDS = 5.0  # then another worker obeys it; that the first one does so, too, would do no harm
COMMAND_RETRY_SECONDS = 2.0  # after a failure: a fault of the moment is over in seconds
COMMAND_TRIES_MAX = 30  # a minute of tries, then it is given up: what always fails keeps the person's next one waiting
COMMANDS_AT_ONCE_MAX = 3  # under way together on a worker: each may hold a connection, and wait for a row
COMMANDS_STRETCH_MAX = 20_000  # positions of the stream listened to in one transaction: some 20 ms
COMMANDS_TAKEN_MAX = 200  # messages of rooms with a service, read in one transaction
IDEMPOTENCY_KEY_BYTES_MAX = 255  # a UUID has 36
IDEMPOTENCY_KEPT_MS = 86_400_000  # a telephone that was off for the night may still ask again
IDEMPOTENCY_SWEPT_MAX = 100  # old ones that a write clears away
PAGE_DEFAULT = 50  # of a list: some screens
PAGE_MAX = 500
PAGE_TOKEN_BYTES_MAX = 512  # it holds the last row's place
AUDIT_FAULTS_MAX = 100  # of a chain that somebody altered: more say nothing more
EXPORT_ROWS_MAX = 100_000  # in memory at once, some 20 MB
EXPORT_PIECE_ROWS = 2_000  # of an export, read and written at once: some 10 ms for which messages wait

# --- booking ---
BOOKING_TEXT_BYTES_MAX = 500  # a title, a place or an area: a line or two
BOOKING_CAPACITY_MAX = 100_000  # a stadium
BOOKING_OFFERS_MAX = 1_000  # of one provider that are not over: a month of slots
BOOKING_SUBSCRIPTIONS_MAX = 50  # of one person
BOOKING_HOLD_SECONDS_MAX = 86_400
BOOKING_NO_SHOW_MS = 3_600_000  # after the end: whoever was not checked in by then did not come
BOOKING_REMINDER_MS = 3_600_000  # before the beginning
BOOKING_ATTEMPTS_AT_ONCE_MAX = 5_000  # in one transaction, a whole line mostly: arrival order holds between workers
BOOKING_ATTEMPTS_WAITING_MAX = 20_000  # of one worker, about 1 kB each; some seconds of work
BOOKING_PROMOTED_AT_ONCE_MAX = 500  # those who wait and get a place in one transaction; a timer does the others
BOOKING_TOLD_AT_ONCE_MAX = 500  # who is told of a release in one transaction; a timer does the others
BOOKING_ANNOUNCED_MAX = 60  # releases of one provider in an hour that subscribers are told of: a slot each minute
BOOKING_GIVEN_BACK_MAX = 5  # places of one offer that somebody may give back: who goes on is playing
BOOKING_PROMOTED_UNTIL_MS = 1_800_000  # before the end: whoever gets a place later could not come in time
TICKET_KEY_DAYS = 90  # then another key is made: who read one backup forges tickets for a while, not for ever
TICKET_KEY_KNOWN_DAYS = 35  # before a key signs: devices at doors keep what they know for 30
TICKET_KEY_KEPT_DAYS = 500  # a ticket on paper for something a year ahead
TICKET_KEYS_TRUSTED_SECONDS = 300  # in a worker's memory
BOOKING_KEPT_DAYS = 180  # who booked what, after its end: for questions and bills of half a year

# --- the bed board ---
BOARD_TEXT_CHARACTERS_MAX = 200  # of a place, note, reason, hospital or title: a line on a telephone's screen
BOARD_KINDS_MAX = 12  # of one bed or request; a hospital knows about ten kinds
BOARD_PLACES_MAX = 200  # single beds of one entry: more than any ward has
BOARD_BEDS_MAX = 2_000  # entries of one board: 40 hospitals with a few kinds each, and ten times as many
BOARD_WAITING_MAX = 5_000  # open requests of one board: all are looked at when one is shown
BOARD_PEOPLE_MAX = 2_000  # listed on one board
BOARD_PAGE_MAX = 500  # of a list
BOARD_NAMED_MAX = 100  # requests asked for by name: those that a screen heard of within a moment
BOARD_VALID_SECONDS = 12 * 3_600  # a bed that nobody confirmed for a shift is no bed
BOARD_HORIZON_SECONDS = 30 * 86_400  # nobody plans beds beyond it
BOARD_REPEAT_SECONDS = 1_800  # between two calls for the printed contact tree
BOARD_ACTS_AT_ONCE_MAX = 5  # of one worker in one commit: some 12 statements each, for which messages wait
BOARD_DUE_AT_ONCE_MAX = 5  # escalated together: some 10 ms of a commit that messages wait for; more in the next round
BOARD_RETRY_SECONDS = 60  # until an escalation is tried again that failed, and kept no other waiting
BOARD_MENTIONS_MAX = 50  # in one event; whoever is called beyond is told directly
BOARD_CALLED_MAX = 200  # told directly of one thing: each may be a new room, and whoever reads is one of many
BOARD_STATS_MAX = 100_000  # newest waits that a distribution is made of
BOARD_KEPT_DAYS = 30  # pseudonym, place, note and reasons of a closed request; times stay, for figures
BOARD_ACCESS_KEPT_DAYS = 3 * 365  # who looked at patients' data: as long as Korean law asks of such logs, and a year
BOARD_FORGOTTEN_AT_ONCE_MAX = 50  # closed in one sweep, each in a commit that messages wait for
BOARD_SWEEP_SECONDS = 600.0  # how often what is too old is cleared away
BOARD_ACCESS_SECONDS = 300  # one person's looks within it count as one in the access log
BOARD_ACCESS_CACHED_MAX = 20_000  # looks that are remembered, or not written down yet
BOARD_ACCESS_RETRY_SECONDS = 2.0  # while they cannot be written down
BOARD_ACCESS_LAST_SECONDS = 5.0  # for writing them down when a worker stops

# --- channels ---
CHANNEL_NAME_CHARACTERS_MAX = 40  # a line on a telephone's screen
CHANNEL_ALIKE_LETTERS_MIN = 4  # of two names that differ in one letter: of shorter ones many do by chance
CHANNEL_ABOUT_CHARACTERS_MAX = 500
CHANNEL_HOURS_MAX = 14  # entries of opening hours: each day has a break
CHANNELS_OWNED_MAX = 20  # that are open, of one person: a name that nobody can find is of no use to anybody
CHANNELS_EVER_OWNED_MAX = 100  # those included that are closed: what was said in their names stays, and their rows
CHANNELS_MINE_SHOWN_MAX = 500  # for which one works: whoever wants may appoint anybody
CHANNEL_STAFF_MAX = 200
CHANNELS_WORKED_FOR_MAX = 200  # that are open, of one person: others may appoint, and lists stay readable
CHANNEL_OFFER_MS = 14 * 86_400_000  # how long somebody may take over a channel that is offered
CHANNEL_POSTS_MAX = 5_000  # of one channel: two a day for seven years
CHANNEL_POST_CHARACTERS_MAX = 5_000  # some pages; its title a tenth of it at most
CHANNEL_TITLE_CHARACTERS_MAX = 100
CHANNEL_REASON_CHARACTERS_MAX = 500  # of a report
CHANNEL_MARK_DAYS_MAX = 400  # an operator looks once a year, and has a month for it
CHANNELS_CERTIFIED_READ_MAX = 1_000  # names near a new one that it is compared with, the nearest first
CHANNELS_FOLLOWED_MAX = 2_000  # of one person
BROADCAST_CHARACTERS_MAX = 2_000  # a long letter; the event stays far below its 64 KiB
BROADCAST_BUTTONS_MAX = 5
BROADCAST_LABEL_CHARACTERS_MAX = 30
BROADCAST_URL_CHARACTERS_MAX = 1_000
BROADCASTS_LIVE_MAX = 20  # of one channel that are scheduled or under way
BROADCAST_AHEAD_MS = 366 * 86_400_000  # how far ahead one is scheduled: nobody remembers older ones
BROADCAST_SLICE = 50  # followers who get it together: some 10 ms of a commit that messages wait for
BROADCAST_ROOMS_AT_ONCE = 5  # rooms made together for whom nothing was said to before: some 5 ms each
BROADCAST_LEASE_SECONDS = 5.0  # then another worker takes the slice over, which does no harm: it takes a second
BROADCAST_RETRY_MS = 5_000  # until a follower is tried again whom the database could not be written for
BROADCAST_GIVEN_UP_MS = 2 * 86_400_000  # after its beginning, longer than anybody is held: then they have not got it
BROADCAST_HELD_MS_MAX = 86_400_000  # for somebody's quiet hours: news of the day before are none
BROADCAST_COUNTED_SECONDS = 15.0  # who read it is counted at most so often: 100,000 followers cost half a second
BROADCASTS_COUNTED_MAX = 1_000  # counts that are remembered
ADVERTISING_HOUR_FROM = 8  # in Korea, where the law forbids advertising from 21:00 to 08:00 without consent to that
ADVERTISING_HOUR_UNTIL = 21
ADVERTISING_MARGIN_MS = 60_000  # before that hour nothing more begins: a commit may wait for another site for so long
CHANNEL_HEARD_POSITIONS = 5_000  # of the stream that are looked through at once for what people say to channels
CHANNEL_HEARD_MAX = 200  # of it that is worked through in one transaction

# --- a channel's desk, its approved texts and its programs ---
DESK_ANSWER_CHARACTERS_MAX = 5_000  # some pages; the event stays far below its 64 KiB
DESK_NOTE_CHARACTERS_MAX = 2_000
DESK_NOTES_MAX = 1_000  # of one conversation
DESK_REPLIES_MAX = 500  # kept answers of a channel: more than anybody finds his way in
DESK_REPLY_NAME_CHARACTERS_MAX = 50
DESK_MIMETYPE_CHARACTERS_MAX = 100
DESK_BOT_PATIENCE_MS = 60_000  # a bot that has not answered by then does not answer: a person is to
DESK_LOST_AT_ONCE_MAX = 50  # conversations of somebody who is gone, in one transaction: a tenth of a second
DESK_ASSIGNMENTS_SHOWN_MAX = 50  # newest stretches in which somebody had a conversation
DESK_CALLED_MAX = 20  # agents who are told that somebody waits: each is a message
DESK_NEWEST_CHARACTERS = 120  # of what was said last, in a list: two lines of it
DESK_SEARCH_CHARACTERS_MAX = 100
DESK_STATS_MAX = 100_000  # newest cases that a distribution is made of
DESK_TRANSCRIPT_MAX = 5_000  # newest messages of a transcript: a book
DESK_TRANSCRIPT_PIECE = 100  # of it in memory at a time: some 6 MB of the longest messages
DESK_PLACE_BEHIND = 9_000_000_000_000_000  # behind all moments: who does not wait, the newest first (migration 0044)
DESK_ROOMS_LOOKED_MAX = 50  # newest rooms of a channel and a person: nearly always there is one
DESK_INVITED_MAX = 50  # invitations to channels that are answered in one round, and words that stood before one
DESK_INVITED_AGAIN_SECONDS = 600.0  # until one is tried again that could not be answered
DESK_INVITED_FAILED_MAX = 10_000  # of those that a worker remembers
DESK_INVITED_SECONDS = 60.0  # how often a worker looks for those that one which died has left
TEMPLATES_MAX = 500  # of a channel
TEMPLATE_VERSIONS_MAX = 1_000
TEMPLATE_NAME_CHARACTERS_MAX = 50
TEMPLATE_CHARACTERS_MAX = 1_000  # a screen or two
TEMPLATE_BUTTONS_MAX = 5
TEMPLATE_LABEL_CHARACTERS_MAX = 20
TEMPLATE_URL_CHARACTERS_MAX = 1_000
TEMPLATE_VARIABLES_MAX = 40
TEMPLATE_VALUE_CHARACTERS_MAX = 200
TEMPLATE_WHY_CHARACTERS_MAX = 500  # of a refusal
CHANNEL_KEYS_MAX = 50  # of a channel that open something
CHANNEL_KEY_NAME_CHARACTERS_MAX = 50
CHANNEL_KEY_USED_MS = 60_000  # how exactly it is known when a key was used last: a commit a minute, not one a request
WEBHOOKS_MAX = 20  # endpoints of a channel
WEBHOOK_URL_CHARACTERS_MAX = 2_048
WEBHOOK_LEASE_SECONDS = 20.0  # longer than one try; a worker that dies is followed by another within so long
WEBHOOK_ANSWER_SECONDS_MAX = 10.0  # then the receiver is taken for silent; it should answer first and work later
WEBHOOK_AT_ONCE_MAX = 20  # endpoints that one worker tells at the same time
WEBHOOK_TURN_MAX = 50  # told to one endpoint before others have their turn; and receipts taken in at once
WEBHOOK_TURN_SECONDS = 5.0  # the same, of one that is slow
WEBHOOK_RETRY_SECONDS_MIN = 1.0  # after the first failure, about doubled with each
WEBHOOK_RETRY_SECONDS_MAX = 3_600.0
WEBHOOK_GIVEN_UP_MS = 3 * 86_400_000  # without anything taken: a receiver that broke on Friday is mended on Monday
WEBHOOK_OWED_MAX = 50_000  # and what comes within a minute; who is so far behind does not come back by itself
WEBHOOK_OWED_BYTES_MAX = 67_108_864  # of it: messages that customers write have up to 64 kB
WEBHOOK_PINGS_OWED_MAX = 10  # of an endpoint: one more tells nobody anything
WEBHOOK_KEPT_MS = 30 * 86_400_000  # what is owed to a disabled endpoint, for whoever mends and enables it
WEBHOOK_ROTATION_MS = 24 * 3_600_000  # how long the secret of before signs, too
WEBHOOK_ROTATION_MS_MAX = 30 * 24 * 3_600_000
WEBHOOK_READ_POSITIONS = 5_000  # of the stream that are looked through at once for what customers have read
WEBHOOK_SWEEP_SECONDS = 60.0  # how often a worker looks who is owed too much, and what is to be forgotten
WEBHOOK_SWEPT_MAX = 1_000  # of it forgotten in one transaction: some 10 ms

# --- mail ---
MAIL_ADDRESS_BYTES_MAX = 254  # what mail servers take (RFC 5321)
MAIL_ADDRESSES_PER_USER_MAX = 20
MAIL_LINK_CHARACTERS_MAX = 1_024  # where a client wants people back; it is shown, and kept with the proof
VALIDATION_SECONDS = 3_600  # how long the link in a mail works, and what it proved: mail may take minutes
MAILS_AT_ONCE_MAX = 4  # that one worker gives to the mail server together
MAIL_SEND_SECONDS_MAX = 25.0  # one mail: some servers greet slowly on purpose
MAIL_CLAIM_SECONDS = 30  # then another worker may send it: longer than sending takes
MAIL_LOOK_SECONDS = 1.0  # how often a worker looks for mail that others left
MAIL_RETRY_SECONDS_MIN = 1.0  # after the first failure, doubled with each
MAIL_RETRY_SECONDS_MAX = 600.0  # servers that turn strangers away at first want to be asked again in minutes

# --- signing in by browser ---
FORM_BYTES_MAX = 65_536  # a form of the account's pages, or of an app: a passkey's answer has some kilobytes
BROWSER_SECONDS = 14 * 86_400  # a browser stays signed in to the account's pages
BROWSER_CODE_SECONDS = 600  # between the password and the code from the other device
BROWSER_FRESH_SECONDS = 600  # so long ago at most somebody proved who they are who changes how they sign in
OAUTH_CODE_SECONDS = 60  # an app fetches its tokens at once
OAUTH_GRANT_KEPT_SECONDS = 3_600  # a used code is kept in mind: whoever shows it again ends what it gave
OAUTH_DEVICE_SECONDS = 1_200  # to find the phone and sign in on it
OAUTH_POLL_SECONDS = 5  # between two questions of a device; RFC 8628's own figure
OAUTH_METADATA_BYTES_MAX = 16_384  # of an app that registers; real ones have about one kilobyte
OAUTH_REDIRECTS_MAX = 20  # addresses of one app
OAUTH_UNUSED_CLIENT_DAYS = 90  # an app that nobody signs in with or is signed in with is forgotten; it registers again
OAUTH_TEXT_BYTES_MAX = 2_048  # state, nonce, scope and addresses: browsers and proxies cut longer ones
SPENT_TOKEN_DAYS = 30  # a replaced refresh token is known for so long; an app replaces one every hour
SPENT_TOKENS_MAX = 1_000  # of one session: those of 30 days, and an app that refreshes without need keeps the newest
PASSKEYS_MAX = 20  # of one person: telephone, computers, keys, and old ones
PASSKEY_CHALLENGE_SECONDS = 300  # browsers ask for the finger for at most so long
RECOVERY_CODES = 10
CROSS_SIGNING_RESET_SECONDS = 600  # from "yes, reset" on the page to the app's upload
OPENID_TOKEN_SECONDS = 3_600  # the protocol's own example
ID_TOKEN_SECONDS = 600  # a site looks at it once, when somebody arrives
IDENTITY_KEY_DAYS = 90  # then another key signs; the old one can be checked against for as long again

# --- rates: (a second, at once) for each person or address ---
RATES = {
    "login": (1.0, 100),  # an address: a whole office may sign in at nine; guessing is slowed by "account"
    "code": (0.02, 10),  # six digits tried on one account by somebody who knows its password: 1,700 of a million a day
    "account": (0.2, 20),  # passwords tried on one user id or mail address, wherever from, there or not
    "register": (0.5, 40),  # an address; each account takes two requests
    "mail": (0.01, 5),  # an address that is written to: nobody's mailbox is filled through this server
    "oauth": (5.0, 200),  # an address: apps that fetch tokens; an office's renew theirs every hour
    "probe": (5.0, 60),  # an address that asks whether names or registration tokens exist; screens ask at every key
    "send": (10.0, 60),  # a person: messages, receipts, typing; faster than anybody types, too slow to fill a disk
    "write": (2.0, 60),  # a person: joins, invites, state, rooms, what is kept for them, devices, passwords
    "keys": (5.0, 100),  # a person: looks up other people's keys and claims them, some hundred devices in a request
    "key_backup": (2.0, 100),  # a person: stores a hundred keys in a request, at most 1 MB; 60,000 in five minutes
    "key_restore": (10.0, 200),  # a person: fetches keys one by one, as messages come on the screen
    "to_device": (20.0, 200),  # a person: a room's key goes to its devices in many requests at once
    "media": (20.0, 300),  # a person: a screen of thumbnails at once
    "read": (20.0, 300),  # a person or, before signing in, an address: reads made once, or page by page
    "sync": (20.0, 300),  # a person: sliding syncs, one for each screen that is scrolled, on all their devices
    "search": (1.0, 20),  # a person
    "preview": (2.0, 40),  # a person: a screen of links at once; each may cost a question to a stranger
    "notifications": (2.0, 30),  # a person: pages of what they were told of
    "book": (2.0, 30),  # a person: offers, bookings and their like; nobody types faster, programs try
    "door": (10.0, 100),  # a person: checks in at several doors at once with one account
    "board": (5.0, 100),  # a person: a coordinator on a bad night assigns a bed every few seconds
    "channel": (2.0, 60),  # a person: follows, posts and broadcasts; nobody types faster
    "command": (1.0, 30),  # a person: what they write to services in rooms; nobody types faster for long
    "command_refused": (0.02, 1),  # a person: how often they are told that this is too fast
    "desk": (10.0, 200),  # a person: an agent with some conversations, whose screen looks at them every few seconds
    "channel_key": (20.0, 500),  # a key: what a shop's programs do
    "channel_key_try": (50.0, 1_000),  # an address: keys are looked up in the table before it is known whose they are
    "template": (0.05, 20),  # a channel and a person: nobody wants more of one shop's texts than some in an evening
    "export": (0.001, 3),  # a person: all that is kept of them, a whole chain of the audit; each may be long
    "report": (0.05, 20),  # a person: a bad evening has many messages, and a flood of reports helps nobody
}
RATES_WITH_CREDIT = frozenset({"book"})  # whom a worker has not seen lately has one lease without asking the table
RATE_LEASE_SHARE = 10  # a worker takes a tenth of "at once" from the table and spends it in memory
RATE_LEASE_MAX = 20
RATE_KEYS_MAX = 50_000  # people and addresses remembered by one worker, about 300 bytes each
RATE_LEASE_SECONDS_MAX = 1.0  # a table that takes longer to answer holds nobody back
RATE_SWEEP_SECONDS = 300  # how often full buckets are cleared from the table

# --- the drill: its clients and its record ---
DRILL_PATIENCE_SECONDS = 2.0  # of silence, then a client repeats its call elsewhere; people wait longer, programs not
DRILL_RETURN_SECONDS = 10.0  # before a client tries its own site again: time enough for a site to come back
DRILL_REST_SECONDS = 0.05  # after all sites failed once: less, and a dead server is asked thousands of times
DRILL_PAGE_SECONDS = 30.0  # patience with a page of a thousand events or a first sync, on a machine under load
DRILL_TIMELINE_EVENTS = 50  # of a room a live reader takes at once: few, so that outages leave gaps to be filled
DRILL_READER_REST_SECONDS = 0.1  # of a light reader between syncs: a thousand messages a second must not be as many
DRILL_BUFFER_BYTES = 65_536  # of each file of the record: what a crash of the drill itself may lose of it
DRILL_DOWNLOAD_TRIES = 3  # of a photo from one site, before it counts as missing there
DRILL_LOOKOUTS = 4  # readers that ask one site alone, in turn, so that one silent call hides nothing
DRILL_LOOK_SECONDS = 0.2  # between two looks of one of them: together an outage of reads is known to 0.1 s
DRILL_HANG_UP_SECONDS_MAX = 0.03  # of a client that leaves in mid-commit: a commit in three sites takes 5 to 20 ms
DRILL_FINISH_SECONDS = 180.0  # for the last sends and the readers' catching up, after the last fault is over
DRILL_SETUP_AT_ONCE = 12  # accounts and joins under way while the crowd gathers
DRILL_READY_SECONDS = 120.0  # for the sites to become whole after the repair, before the drill says they did not
DRILL_WATCH_SECONDS = 0.25  # between two looks at who leads and who is up
DRILL_CALM_SECONDS = 4.0  # of undisturbed load before each fault, so that a plot shows what is normal

# --- what is promised when a site is lost, and a drill holds against what it measured ---
PROMISE_WRITE_MEDIAN_SECONDS = 8.0  # without an acknowledged write after the loss of the leader's site
PROMISE_WRITE_WORST_SECONDS = 12.0  # the same, in the worst of all drills
PROMISE_WRITE_OTHER_SECONDS = 1.0  # after the loss of a site that does not lead
PROMISE_READ_SECONDS = 2.0  # without a successful read or sync at a site that was not lost

# --- status and incidents ---
PROBE_FILES_RESTS = 4  # a disk that was just written to is not written to again at each of the next looks
PROBE_EVERY_SECONDS = 2.0  # every site looks at every site so often
PROBE_SECONDS_MAX = 2.0  # a part that takes longer to answer does not serve people
PROBE_AT_ONCE_SECONDS = 0.1  # a commit that comes back within it has shown that reading works, too
PROBE_SLOW_SECONDS = 1.0  # an answer that takes longer is "delayed": people see the wait
PROBE_WRITE_STOPPED_SECONDS = 4.0  # a write under way for so long is no delay any more
STATUS_WINDOW_MS = 8_000  # what was seen within it decides a state: two bad looks worsen it, none betters it
STATUS_LOOKS_MAX = 32  # kept for one state; the window holds four
STATUS_STALE_MS = 10_000  # a site's word about itself counts for so long
STATUS_START_MS = 30_000  # a site that was never seen is no news for so long: sites may start together
INCIDENT_QUIET_MS = 15_000  # all well for so long ends an incident; a fault that comes sooner belongs to it
INCIDENT_LINES_AT_ONCE_MAX = 200  # of a site's journal, brought into the table in one transaction
INCIDENT_LINE_BYTES_MAX = 16_384  # one line of a journal; real ones have about 400
INCIDENT_RECENT_MAX = 2_000  # newest entries looked at when a new one finds its incident
INCIDENTS_SHOWN_MAX = 10  # past ones on the status page
INCIDENTS_READ_EVERY_SECONDS = 10.0  # how often a worker reads the record for its status page
FACT_SECONDS_MAX = 3.0  # one part of what the doctor asks of a site
FACTS_SECONDS_MAX = 10.0  # all of it
LOAD_SAMPLE_SECONDS = 60.0  # the peak load is that of the busiest minute
LEAVING_SILENT_MS = 1_800_000  # a site that was being emptied may be silent for so long before that is an incident

# --- what the doctor finds wrong ---
CLOCKS_APART_MS_MAX = 500  # between two sites: tokens, incidents and logs are compared across them
CLOCKS_APART_MS_CRITICAL = 5_000
STANDBY_BEHIND_BYTES_MAX = 67_108_864  # four WAL segments; at rest a copy is a few kB behind
STANDBY_BEHIND_BYTES_CRITICAL = 1_073_741_824
BACKUP_AGE_HOURS_MAX = 26  # one a day, and two hours for a slow one
BACKUP_AGE_HOURS_CRITICAL = 72
BACKUP_VERIFIED_DAYS_MAX = 35  # one proof a month: a backup that was never restored is a hope
CERTIFICATE_DAYS_MIN = 21  # renewal is tried daily from 30 days on: three weeks of failures are to be looked at
CERTIFICATE_DAYS_CRITICAL = 5
DISK_FREE_SHARE_MIN = 0.15
DISK_FREE_SHARE_CRITICAL = 0.05
LOAD_SHARE_MAX = 0.8  # of what the sites that are left can do: beyond it waiting times grow out of bounds
