"""Everything is put together here, in one visible place: what there is, who needs whom, what starts and stops when."""

import asyncio
import gc
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from bongsu.boards import desk as board_desk
from bongsu.boards.acting import Acting
from bongsu.boards.hearing import BoardHearing
from bongsu.boards.looks import Looks
from bongsu.boards.routes import Boards
from bongsu.boards.sights import Sights
from bongsu.boards.waiting import Waiting
from bongsu.bookings import later
from bongsu.bookings.announcers import Announcers
from bongsu.bookings.hearing import BookingHearing
from bongsu.bookings.ledger import Ledger
from bongsu.bookings.lines import Lines
from bongsu.bookings.offers import Offers
from bongsu.bookings.places import Places
from bongsu.bookings.tickets import Tickets
from bongsu.channels import broadcasts
from bongsu.channels.broadcasts import Broadcasts
from bongsu.channels.conversations import Conversations
from bongsu.channels.delivering import Delivering
from bongsu.channels.desk import Desk as ChannelDesk
from bongsu.channels.doors import Doors
from bongsu.channels.following import Following
from bongsu.channels.hearing import Hearing, Refusals
from bongsu.channels.homes import Homes
from bongsu.channels.keys import Keys as ChannelKeys
from bongsu.channels.leaving import Leaving as StaffLeaving
from bongsu.channels.marks import Marks
from bongsu.channels.opening import Beginnings
from bongsu.channels.sending import Sending as BroadcastSending
from bongsu.channels.templates import Templates
from bongsu.channels.transcripts import Transcripts
from bongsu.channels.webhooks import Webhooks
from bongsu.config import Settings
from bongsu.core import ids, limits, usernames
from bongsu.core.addresses import networks
from bongsu.core.chain import Seal
from bongsu.core.tiers import Tier
from bongsu.http import server
from bongsu.http.app import App
from bongsu.http.authentication import Tokens
from bongsu.http.outside import Outside
from bongsu.http.peers import Peer, Peers, parse_peers
from bongsu.http.place import Place
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.router import Route, Router
from bongsu.http.service_calls import ServiceCalls
from bongsu.http.services import Services
from bongsu.http.shedding import Shedding
from bongsu.http.shorter import Shorter
from bongsu.matrix.account import Account
from bongsu.matrix.account_data import AccountDataEndpoints
from bongsu.matrix.admin_register import AdminRegistration
from bongsu.matrix.administration import Administration
from bongsu.matrix.aliases import Aliases
from bongsu.matrix.confirmations import Confirmations
from bongsu.matrix.create_room import RoomCreation
from bongsu.matrix.cross_signing import CrossSigning
from bongsu.matrix.deactivation import Deactivation
from bongsu.matrix.devices import Devices
from bongsu.matrix.directory import Directory
from bongsu.matrix.discovery import Discovery
from bongsu.matrix.ephemeral import Ephemeral, TypingEnds
from bongsu.matrix.event_stream import EventStream
from bongsu.matrix.history import History
from bongsu.matrix.indexing import Indexing
from bongsu.matrix.interactive import Interactive
from bongsu.matrix.key_backup import KeyBackup
from bongsu.matrix.keys import Keys
from bongsu.matrix.login import Login
from bongsu.matrix.membership import Membership
from bongsu.matrix.moderation import Moderation
from bongsu.matrix.notices import Notices
from bongsu.matrix.notifications import Notifications
from bongsu.matrix.old_sync import OldSync
from bongsu.matrix.own_data import Export
from bongsu.matrix.parked import Parked
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.postman import MailServer, Postman
from bongsu.matrix.profile import Profiles
from bongsu.matrix.pushers import Pushers
from bongsu.matrix.pushrules import PushRules
from bongsu.matrix.register import Registration
from bongsu.matrix.relations import Relations
from bongsu.matrix.reports import Reports
from bongsu.matrix.search import Search
from bongsu.matrix.sending import Sending
from bongsu.matrix.service_administration import ServiceAdministration
from bongsu.matrix.service_queries import ServiceQueries
from bongsu.matrix.service_tellings import ServiceTellings
from bongsu.matrix.services import ServiceEndpoints
from bongsu.matrix.sessions import Sessions
from bongsu.matrix.sliding_sync import SlidingSyncEndpoint
from bongsu.matrix.spaces import Spaces
from bongsu.matrix.state import State
from bongsu.matrix.support import Contacts, Support
from bongsu.matrix.sync import SyncEndpoints
from bongsu.matrix.third_party_ids import ThirdPartyIdEndpoints
from bongsu.matrix.to_device import ToDevice
from bongsu.matrix.upgrade import Upgrades
from bongsu.matrix.user_directory import UserDirectory
from bongsu.matrix.voip import Relay, Voip
from bongsu.media.blobs import BlobFolder
from bongsu.media.fetching import Fetcher, Names, Rules
from bongsu.media.previews import Previews
from bongsu.media.routes import Media
from bongsu.media.uploads import UploadRules
from bongsu.media.workers import PREVIEWS, Clocks, Workers
from bongsu.push.planning import Planning
from bongsu.push.pushing import Pushing
from bongsu.push.sending import Sending as PushSending
from bongsu.push.webpush import Vapid
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.cache import Rooms
from bongsu.signin.account import AccountPages
from bongsu.signin.apps import Apps
from bongsu.signin.ceremonies import Ceremonies
from bongsu.signin.consent import Consent
from bongsu.signin.desk import Desk
from bongsu.signin.forgotten import Forgotten
from bongsu.signin.oauth import OAuthEndpoints
from bongsu.signin.openid import OpenId
from bongsu.signin.passkey_calls import PasskeyCalls
from bongsu.signin.passkeys import Passkeys
from bongsu.signin.sign_in import SignIn
from bongsu.signin.sso import Sso
from bongsu.signin.two_step import TwoStep
from bongsu.signin.visitor import Visitors
from bongsu.site.front import FrontPage
from bongsu.site.health import EMPTIED, STOPPING, Health
from bongsu.site.leaving import Leaving
from bongsu.site.pressure import Pressure
from bongsu.status.asking import ask_all
from bongsu.status.doctor import Case, Heard
from bongsu.status.facts import FactFinder
from bongsu.status.features import FEATURES
from bongsu.status.journal import Journal
from bongsu.status.load import Load
from bongsu.status.probes import SelfProbe
from bongsu.status.record import Record, seal_in
from bongsu.status.routes import StatusPage
from bongsu.status.watch import ALONE, Watch
from bongsu.store import boards, channel_hearing, commands, facts, outbox, personal, pushing, timers
from bongsu.store import broadcasts as broadcast_rows
from bongsu.store import webhooks as webhook_rows
from bongsu.store.accounts import Accounts
from bongsu.store.browsers import Browsers
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.factors import Factors
from bongsu.store.feed import Feed
from bongsu.store.identity import Identity
from bongsu.store.incidents import EntryRow, entries
from bongsu.store.migrations import migrate as migrate_database
from bongsu.store.oauth import OAuth
from bongsu.store.quiet import quiet_until
from bongsu.store.rate_limits import RateLimits
from bongsu.store.statistics import Statistics
from bongsu.store.third_party_ids import ThirdPartyIds
from bongsu.store.timers import GONE, Handler, Timer
from bongsu.sync.admission import Admission
from bongsu.sync.attendance import Attendance
from bongsu.sync.connections import Connections
from bongsu.sync.mailbox import Mailbox
from bongsu.sync.peeks import Peeks
from bongsu.sync.readers import Readers
from bongsu.sync.service import Sync
from bongsu.sync.sliding import Sliding
from bongsu.sync.waiting import Waits
from bongsu.web.routes import WebClient
from bongsu.workflow.clock import Clock
from bongsu.workflow.commanding import Commanding
from bongsu.workflow.due import Due
from bongsu.workflow.one_clock import OneClock
from bongsu.workflow.openapi import OpenApi
from bongsu.workflow.poster import Poster
from bongsu.workflow.rounds import go_on
from bongsu.workflow.writes import Writes

Announce = Callable[[str], None]
People = Sequence[tuple[str, str]]  # (user id, password) of the demo's people


def now_ms() -> int:
    """The clock of the whole program: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _one_after_another(*handlers: Handler) -> Handler:
    """Of a kind of timer that more than one service has to do with."""

    async def handle(connection: Connection, timer: Timer) -> None:
        for each in handlers:
            await each(connection, timer)

    return handle


def _mail_server(settings: Settings) -> MailServer | None:
    """None where something is missing: without a sender there is no mail, without an address no link in it."""
    if settings.smtp_host is None or settings.mail_from is None or settings.public_base_url is None:
        return None
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password,
        sender=settings.mail_from,
        ca=settings.smtp_ca,
    )


def _contact_of(settings: Settings) -> str:
    """Where those who run a browser's push service find who runs this server."""
    base_url = settings.public_base_url or ""
    return base_url if base_url.startswith("https://") else f"mailto:postmaster@{settings.server_name.split(':')[0]}"


class Worker:
    """One serving process: its knowledge of the database, and the endpoints."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.is_draining = False
        self._sweeps: list[asyncio.Task[None]] = []
        self._know()
        self._let_in()
        self._tell()
        self._keep_files()
        self._speak_outside()
        self._serve_people()
        self._look_after()
        routes = [*self._account_routes(), *self._room_routes(), *self._service_routes(), *self._site_routes()]
        routes += OpenApi(routes).routes()
        router = Router(routes)
        self.app = App(router, self.tokens, self.limiter, self.shedding, settings.peer_secret, self.services)
        self.shorter = Shorter(router, self.tokens, self.limiter, self.shedding, self.syncing.park, self.sending.submit)

    # --- what there is, in the order in which one needs the other ---

    def _know(self) -> None:
        """The database as this worker knows it, and the right to write."""
        database = self.database
        self.one_clock = OneClock(database, now_ms)
        self.now_ms = self.one_clock.now_ms  # for what other sites are told of, or take over
        self.feed = Feed(database)
        self.statistics = Statistics(database, self.feed)
        self.rooms = Rooms(database, self.feed)
        self.readers = Readers(database, self.feed)
        self.committer = Committer(database, self.feed, self._make_batch)
        self.sending = Sending(self.committer)
        self.shedding = Shedding()
        self.limiter = RateLimiter(RateLimits(database), now_ms, enabled=self.settings.rate_limits)

    def _let_in(self) -> None:
        """People and application services, their sessions and proofs."""
        settings, database, name = self.settings, self.database, self.settings.server_name
        self.place = Place(settings.public_base_url, name)
        self.people = Accounts(database)
        self.addresses = ThirdPartyIds(database)
        self.factors = Factors(database)
        self.tokens = Tokens(self.people, now_ms)
        waiting_max = limits.PASSWORDS_WAITING_MAX if settings.rate_limits else sys.maxsize
        self.passwords = Passwords(self.people, self.limiter, settings.password_hashing, waiting_max=waiting_max)
        self.sessions = Sessions(self.people, self.committer, name)
        self.deactivation = Deactivation(database, self.people, self.sessions, self.committer)
        self.postman = Postman(database, _mail_server(settings))
        self.notices = Notices(database, self.committer, self._new_room_id, name)
        self.services = Services(database, self.people, name, now_ms)
        self.service_calls = ServiceCalls()
        self.service_queries = ServiceQueries(database, self.services, self.service_calls, self.limiter, name)
        self.service_tellings = ServiceTellings(
            database, self.feed, self.services, self.service_calls, now_ms, random.random
        )
        self.service_administration = ServiceAdministration(database, self.committer, self.services)
        self.accounts = Administration(
            *(self.people, self.sessions, self.passwords, self.deactivation, self.committer, self.factors, name)
        )

    def _tell(self) -> None:
        """What devices are told, in each way that clients ask."""
        database, feed, rooms, readers = self.database, self.feed, self.rooms, self.readers
        arrivals_max = limits.ARRIVALS_PER_PERSON_MAX if self.settings.rate_limits else sys.maxsize
        admission = Admission(time.monotonic, is_open=not self.settings.shedding, per_person_max=arrivals_max)
        self.mailbox = Mailbox(database)
        self.peeks = Peeks()
        self.waits = Waits()
        self.connections = Connections(database)
        self.typing_ends = TypingEnds(database, self.committer, self.now_ms)
        self.attendance = Attendance(database, self.committer, self.now_ms, self._is_shed(Tier.PRESENCE))
        saw = self.attendance.saw if self.settings.presence else None
        parked = partial(Parked, is_limited=self.settings.rate_limits)
        self.sync = Sync(database, feed, rooms, readers, self.mailbox, admission, self.waits, self.now_ms)
        self.syncing = SyncEndpoints(database, self.sync, self.waits, parked(limits.PARKED_SYNCS_PER_DEVICE_MAX), saw)
        sliding = Sliding(
            database, feed, rooms, readers, self.mailbox, admission, self.sync, self.connections, self.now_ms
        )
        self.sliding = SlidingSyncEndpoint(sliding, self.waits, parked(limits.SLIDING_PARKED_PER_DEVICE_MAX), saw)
        self.event_stream = EventStream(
            database, feed, rooms, self.sync, self.waits, parked(limits.PARKED_SYNCS_PER_DEVICE_MAX), self.peeks
        )
        self.acting = Acting(self.committer)
        self.waiting = Waiting(database, self.acting, self.now_ms)
        self.looks = Looks(database, self.now_ms)
        self.indexing = Indexing(database, feed, self._is_shed(Tier.SEARCH))

    def _keep_files(self) -> None:
        settings = self.settings
        self.peers = Peers(settings.site, parse_peers(settings.peers), settings.peer_secret, settings.peer_ca)
        self.blobs = BlobFolder(settings.data / "blobs")
        at_once_max = limits.UPLOADS_PER_USER_MAX if settings.rate_limits else sys.maxsize
        self.media = Media(
            self.database,
            self.blobs,
            server_name=settings.server_name,
            now_ms=now_ms,
            uploads=UploadRules(bytes_max=settings.upload_bytes_max, at_once_max=at_once_max),
            legacy_access=settings.unauthenticated_media,
            peers=self.peers,
        )
        self.previews = self._previews() if settings.url_previews else None

    def _speak_outside(self) -> None:
        """Pushes, to gateways and browsers."""
        database, settings = self.database, self.settings
        services = frozenset(ids.user_id(each, settings.server_name) for each in usernames.SERVICES)
        self.outside = Outside(allows_private=settings.push_private_addresses)
        self.programs = Outside(
            allows_private=settings.webhook_private_addresses, seconds_max=limits.WEBHOOK_ANSWER_SECONDS_MAX
        )
        self.vapid = Vapid(_contact_of(settings), database, now_ms)
        self.pushing = Pushing(
            database,
            self.feed,
            Planning(database, self.feed, self.rooms, self.readers, services, now_ms),
            PushSending(self.outside, self.vapid, now_ms),
            is_pressed=self._is_shed(Tier.SEARCH),
            random=random.random,
        )

    def _serve_people(self) -> None:
        """The services, and what they share. Their accounts and their timers' handlers are named here."""
        database, name = self.database, self.settings.server_name
        bookings = ids.user_id(usernames.BOOKINGS, name)
        self.channels_speaker = ids.user_id(usernames.CHANNELS, name)
        speakers = {
            bookings: "Bookings · 예약",
            board_desk.speaker(name): board_desk.NAME,
            self.channels_speaker: "Channels · 채널",
        }
        self.poster = Poster(database, self.committer, self._new_room_id, speakers, self._is_shed(Tier.SERVICE))
        self.writes = Writes(database, self.now_ms, self._owe)
        self.booking = Ledger(bookings, self.now_ms)
        self.lines = Lines(database, self.booking)
        self._serve_channels()
        listeners = (
            BoardHearing(database, self.acting, self.looks, name, self.now_ms),
            BookingHearing(database, self.booking, bookings, self.poster.hurry),
        )
        boards, is_pressed = board_desk.speaker(name), self._is_shed(Tier.SERVICE)
        self.commanding = Commanding(database, self.feed, self.committer, self.limiter, listeners, boards, is_pressed)
        of_bookings = later.handlers(self.booking)
        handlers: dict[str, Handler] = {
            **of_bookings,
            broadcasts.BEGIN: self.broadcasts.begin,
            **self.staff_leaving.handlers(),
            GONE: _one_after_another(of_bookings[GONE], self.staff_leaving.account_gone),
        }
        self.clock = Clock(database, handlers, self.now_ms, self._owe)
        self.due = Due(database, self.feed, self.one_clock, self._who_waits())

    def _who_waits(self) -> dict[str, Callable[[], None]]:
        """Whom to wake when something of theirs is due."""
        return {
            timers.DUE: self.clock.hurry,
            outbox.DUE: self.poster.hurry,
            commands.DUE: self.commanding.hurry,
            boards.DUE: self.waiting.hurry,
            broadcast_rows.DUE: self.broadcasting.hurry,
            webhook_rows.DUE: self.delivering.hurry,
            webhook_rows.WANTED: self.delivering.hurry_reads,
            channel_hearing.WANTED: self.hearing.hurry,
            personal.TYPING_DUE: self.typing_ends.hurry,
            pushing.WANTED: self.pushing.wanted,
        }

    def _serve_channels(self) -> None:
        """Their broadcasts, marks, and what people say to them."""
        database, is_pressed = self.database, self._is_shed(Tier.SERVICE)
        self.broadcasting = BroadcastSending(
            database, self.committer, self._new_room_id, self.now_ms, is_pressed, quiet_until
        )
        self.broadcasts = Broadcasts(database, self.writes, self.now_ms, self.broadcasting.hurry)
        self.marks = Marks(database, self.writes, self.now_ms)
        self.conversations = Conversations(self.channels_speaker, self.now_ms)
        self.staff_leaving = StaffLeaving(self.conversations)
        listeners = (Refusals(self.now_ms), self.conversations.heard)
        self.hearing = Hearing(database, self.feed, listeners, is_pressed, self._owe)
        self.delivering = Delivering(
            *(database, self.feed, self.programs, self.channels_speaker, self.now_ms, random.random, is_pressed),
            self.poster.hurry,
        )
        self.beginnings = Beginnings(*(database, self.feed, self.committer, self._new_room_id, is_pressed, self._owe))

    def _owe(self) -> None:
        """Something may wait in the outbox, or for a channel's programs."""
        self.poster.hurry()
        self.delivering.hurry()

    def _look_after(self) -> None:
        """How this worker and its sites are."""
        database, settings = self.database, self.settings
        self.load = Load(now_ms)
        self.leaving = Leaving(database, settings.site, self._hurry)
        self.pressure = Pressure(database, self.committer, self.shedding, self._parked, lambda: self.lines.waiting)
        self.watch = Watch(
            settings.site,
            self.peers,
            SelfProbe(database, self.feed, self.committer, settings.data, settings.site or ALONE),
            Journal(settings.data),
            Record(database, settings.data),
            now_ms=now_ms,
            is_leaving=lambda: self._why_leaving() is not None,
            pressure=lambda: self.shedding.level,
            can_write=lambda: database.has_primary,
        )

    def _is_shed(self, tier: Tier) -> Callable[[], bool]:
        return lambda: self.shedding.level >= tier.shed_at

    def _make_batch(self, connection: Connection, pos: int, sent: dict[bytes, str], has_lock: bool) -> RoomBatch:
        name, at_ms = self.settings.server_name, self.now_ms()
        return RoomBatch(self.rooms, connection, pos, sent, has_lock=has_lock, now_ms=at_ms, server_name=name)

    def _parked(self) -> int:
        """How many syncs of any kind wait for news on this worker."""
        return self.syncing.parked() + self.sliding.parked() + self.event_stream.parked()

    def _hurry(self, is_leaving: bool) -> None:
        """While clients are to go to another site, none waits here for long."""
        self.waits.hurry(is_leaving)
        self.readers.wake_all()

    def _new_room_id(self) -> str:
        return f"!{secrets.token_urlsafe(18)}:{self.settings.server_name}"

    # --- the one list of everything that answers ---

    def _account_routes(self) -> list[Route]:
        database, committer, name = self.database, self.committer, self.settings.server_name
        people, sessions, passwords = self.people, self.sessions, self.passwords
        interactive = Interactive(people, passwords, self.addresses, name)
        registration, confirmations = self._registration(interactive), self._confirmations()
        families = (
            Login(sessions, passwords, interactive, self.services, self.addresses, self.factors, name),
            registration,
            AdminRegistration(people, sessions, passwords, name, self.settings.registration_secret),
            Account(people, sessions, passwords, interactive, self.deactivation),
            Devices(people, sessions, interactive),
            Keys(database, committer, self.sync),
            CrossSigning(database, committer, interactive, people, self.place),
            ToDevice(committer),
            KeyBackup(database),
            confirmations,
            ThirdPartyIdEndpoints(self.addresses, interactive, now_ms),
            ServiceEndpoints(self.services, self.service_calls, self.service_tellings, committer),
            Moderation(database, people, committer, name),
        )
        routes = [route for family in families for route in family.routes()]
        return [*routes, *self._sign_in_routes(registration, confirmations, interactive)]

    def _registration(self, interactive: Interactive) -> Registration:
        settings = self.settings
        return Registration(
            self.people,
            self.sessions,
            self.passwords,
            interactive,
            self.services,
            settings.server_name,
            is_open=settings.open_registration,
            has_guests=settings.guests,
            mail=settings.registration_mail,
        )

    def _confirmations(self) -> Confirmations:
        settings = self.settings
        return Confirmations(
            self.addresses,
            self.postman,
            self.limiter,
            server_name=settings.server_name,
            base_url=settings.public_base_url,
            domains=settings.mail_domains,
            link_hosts=settings.mail_link_hosts,
            reveals=settings.reveal_addresses,
        )

    def _sign_in_routes(
        self, registration: Registration, confirmations: Confirmations, interactive: Interactive
    ) -> list[Route]:
        """By browser, and for apps."""
        database, people, sessions, factors = self.database, self.people, self.sessions, self.factors
        place, passwords = self.place, self.passwords
        desk = Desk(Visitors(Browsers(database), is_https=place.is_https), place)
        table = OAuth(database)
        apps = Apps(table, place)
        openid = OpenId(Identity(database), database, self.tokens, self.settings.server_name, now_ms)
        two_step = TwoStep(desk, factors, self.limiter)
        ceremonies = Ceremonies(factors, place)
        families = (
            desk,
            SignIn(desk, passwords, registration, self.addresses, two_step, has_mail=confirmations.has_mail),
            Forgotten(desk, confirmations, self.addresses, people, sessions, passwords, now_ms),
            Passkeys(desk, factors, people, ceremonies),
            PasskeyCalls(factors, ceremonies, interactive, people, sessions),
            two_step,
            AccountPages(desk, people, sessions, passwords, self.deactivation, table, factors),
            Consent(desk, table, apps, people),
            Sso(desk, sessions),
            apps,
            OAuthEndpoints(table, apps, people, sessions, openid, place, can_sign_up=registration.is_for_everybody),
            openid,
        )
        return [route for family in families for route in family.routes()]

    def _room_routes(self) -> list[Route]:
        database, committer, rooms, name = self.database, self.committer, self.rooms, self.settings.server_name
        services, queries = self.services, self.service_queries
        families = (
            self.sending,
            RoomCreation(committer, services, queries, self._new_room_id, name),
            Membership(database, committer, queries),
            Upgrades(committer, self._new_room_id),
            State(database, rooms),
            History(database, rooms),
            Relations(database, rooms),
            Spaces(database, rooms),
            Aliases(database, rooms, committer, services, queries, name),
            Search(database, self.feed, rooms),
            UserDirectory(database, everybody=self.settings.user_directory_all),
            Reports(database, rooms),
            Directory(database, rooms, committer, name),
            Ephemeral(database, committer, self.now_ms),
            AccountDataEndpoints(database, committer),
            PushRules(database, committer),
            Pushers(
                database,
                self.vapid.public_key,
                self.pushing.heard,
                allows_private=self.settings.push_private_addresses,
            ),
            Notifications(database, self.feed, rooms, self.readers),
            Profiles(database, committer, queries),
            Export(database, name, now_ms),
            self.syncing,
            self.sliding,
            self.event_stream,
            OldSync(database, self.feed, rooms, self.sync),
        )
        return [route for family in families for route in family.routes()]

    def _service_routes(self) -> list[Route]:
        database, writes, tickets = self.database, self.writes, Tickets(self.database, self.now_ms)
        families = (
            Announcers(database, writes, self.now_ms),
            Offers(database, self.booking, writes, tickets, self.limiter),
            Places(database, self.booking, writes, tickets, self.lines, self.poster.hurry, self.settings.server_name),
            Homes(database, writes, self.limiter, self.conversations, self.staff_leaving, self.settings.server_name),
            Following(database, writes, self.limiter, self.now_ms),
            self.marks,
            self.broadcasts,
        )
        return [*(route for family in families for route in family.routes()), *self._desk_routes()]

    def _desk_routes(self) -> list[Route]:
        """What channels answer, and what their programs do."""
        database, settings, conversations, writes = self.database, self.settings, self.conversations, self.writes
        doors = Doors(database, self.limiter, self.now_ms)
        desk = ChannelDesk(database, doors, writes, conversations)
        allows_private = settings.webhook_private_addresses
        self.templates = Templates(database, doors, writes, self.limiter, self.now_ms)
        families = (
            desk,
            Transcripts(desk),
            ChannelKeys(database, doors, writes, conversations, self.staff_leaving),
            self.templates,
            Webhooks(database, doors, writes, conversations, allows_private=allows_private),
            self.beginnings,
        )
        return [route for family in families for route in family.routes()]

    def _site_routes(self) -> list[Route]:
        settings, database = self.settings, self.database
        families = (
            Health(database, self.feed, self._why_leaving, self.blobs.has_room),
            FrontPage(database, self.feed, settings, now_ms, self._parked),
            StatusPage(self.watch, self._fact_finder(), settings.server_name, now_ms),
            Discovery(self.place, self.vapid.public_key, settings.public_sites, has_mail=self.postman.is_there),
            WebClient(settings.public_sites),
            Support(self._contacts(), settings.policy_server_key),
            Voip(Relay(settings.turn_uris, settings.turn_secret, settings.turn_seconds), now_ms),
            self.media,
            Boards(self.acting, self.now_ms),
            Sights(database, self.looks, self.limiter, self.now_ms),
            *((self.previews,) if self.previews is not None else ()),
        )
        return [route for family in families for route in family.routes()]

    def _previews(self) -> Previews:
        settings = self.settings
        rules = Rules(networks(settings.preview_ranges), frozenset(settings.preview_ports))
        clocks = Clocks(job_seconds=limits.PREVIEW_READ_SECONDS_MAX)
        workers = Workers(count=1, queue_max=limits.PREVIEWS_QUEUE_MAX, clocks=clocks, command=PREVIEWS)
        return Previews(
            self.database, Fetcher(rules, Names().look_up), workers, self.media.keep_picture, seconds=rules.seconds
        )

    def _contacts(self) -> Contacts:
        settings = self.settings
        return Contacts(settings.support_admin, settings.support_security, settings.support_page)

    def _fact_finder(self) -> FactFinder:
        return FactFinder(
            self.settings,
            self.database,
            sites=list(self.watch.views),
            features=[feature.key for feature in FEATURES],
            now_ms=now_ms,
            load=self.load,
            is_altered=lambda: self.watch.record.is_altered,
        )

    def _why_leaving(self) -> str | None:
        if self.is_draining:
            return STOPPING
        return EMPTIED if self.leaving.is_leaving else None

    async def start(self, on_failure: Callable[[], None]) -> None:
        """Order matters: who follows the feed is named before it flows; caches follow before those who wait."""
        self.feed.follow(self.tokens.apply, learns=True)
        self.feed.follow(self.services.apply, learns=True)
        self.feed.follow(self.rooms.apply, learns=True)
        self.feed.follow(self.attendance.apply)
        self.feed.follow(self.readers.apply)
        self.feed.follow(self.peeks.apply)
        self.feed.follow(self.waits.apply)
        self.feed.follow(self.service_tellings.apply)
        self.feed.follow(self.pushing.apply)
        self.feed.follow(self.commanding.apply)
        self.feed.follow(self.beginnings.apply)
        await self.blobs.open()
        await self.feed.start(on_failure)
        await self.rooms.start()
        await self.one_clock.look()
        await self.vapid.start()
        self.committer.start(on_failure)
        self.tokens.start()
        self.limiter.start()
        self._sweeps = [asyncio.create_task(go_on(sweep)) for sweep in self._sweeping()]

    def _sweeping(self) -> list[Callable[[], Awaitable[None]]]:
        """What goes on beside requests, for ever."""
        return [
            self.attendance.run,
            self.typing_ends.run,
            self.mailbox.run,
            self.mailbox.sweep,
            self.connections.run,
            self.indexing.run,
            self.waiting.run,
            self.waiting.sweep,
            self.looks.run,
            self.deactivation.finish,
            self.leaving.run,
            self.load.run,
            self.poster.run,
            self.clock.run,
            self.due.run,
            self.statistics.run,
            self.broadcasting.run,
            self.hearing.run,
            self.commanding.run,
            self.beginnings.run,
            self.delivering.run,
            self.delivering.watch_reads,
            self.delivering.sweep,
            *((self.pressure.run,) if self.settings.shedding else ()),
            *self.media.sweeps(),
        ]

    def drain(self) -> None:
        """The server stops: parked syncs answer, nobody new is told that all is well."""
        self.is_draining = True
        patience = self.settings.drain_seconds - limits.STOP_ANSWERS_SECONDS
        self.database.hurry(max(patience, limits.STOP_WRITES_SECONDS_MIN))
        self.waits.drain()
        self.readers.wake_all()
        self.media.drain()

    async def stop(self) -> None:
        """Everything submitted is committed before the connections close, if there is a primary that can."""
        self.database.hurry(limits.STOP_WRITES_SECONDS_MIN)
        for task in self._sweeps:
            task.cancel()
        await asyncio.wait(self._sweeps)
        await self.watch.stop()
        await self.service_tellings.stop()
        await self.postman.stop()
        await self.pushing.stop()
        await self.limiter.stop()
        await self.tokens.stop()
        await self.committer.stop()
        await self.feed.stop()
        if self.previews is not None:
            await self.previews.close()
        await self.media.close()
        await self.peers.close()
        await self.service_calls.close()
        await self.outside.close()
        await self.programs.close()
        self.blobs.close()
        self.passwords.close()


@asynccontextmanager
async def open_database(settings: Settings, announce: Announce) -> AsyncIterator[Database]:
    """The database of the settings, at this version's schema; the embedded one is started and watched over."""
    embedded = None if settings.dsn else EmbeddedPostgres(settings.data)
    watching: asyncio.Task[None] | None = None
    dsn = settings.dsn
    if embedded is not None:
        dsn = await embedded.start(announce)
        watching = asyncio.create_task(embedded.supervise(), name="embedded PostgreSQL")
    assert dsn is not None
    database = Database(dsn, connections_max=settings.connections_max)
    try:
        await database.open()
        await facts.check_kind(database)
        await migrate_database(database)
        await facts.check_server_name(database, settings.server_name)
        await facts.check_durability(database)
        yield database
    finally:
        await database.close()
        if watching is not None and embedded is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await embedded.stop()


@asynccontextmanager
async def open_worker(
    settings: Settings, announce: Announce, on_failure: Callable[[], None] = lambda: None
) -> AsyncIterator[Worker]:
    """A worker that knows and writes, but does not listen: for `serve`, and for commands that change rooms."""
    async with open_database(settings, announce) as database:
        worker = Worker(settings, database)
        await worker.start(on_failure)
        try:
            yield worker
        finally:
            await worker.stop()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Worker]:
    """For commands about accounts."""
    async with open_worker(settings, lambda _: None) as worker:
        yield worker


async def serve(
    settings: Settings,
    *,
    announce: Announce,
    ready: Callable[[str, People], None],
    stop: asyncio.Event,
    demo: bool = False,
) -> None:
    """Serves until `stop` is set, by a person or by a part that cannot go on."""
    async with open_worker(settings, announce, stop.set) as worker:
        worker.watch.start()
        worker.service_tellings.start()
        worker.postman.start()
        if not worker.postman.is_there and (settings.smtp_host or settings.registration_mail == "required"):
            announce("No mail is sent: that needs smtp_host, mail_from and public_base_url, all three")
        worker.pushing.start()
        people: People = await _fill(worker, announce) if demo else ()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

        def listening(port: int) -> None:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            ready(settings.public_base_url or f"http://{host}:{port}", people)

        await server.run(
            worker.app,
            shorter=worker.shorter,
            host=settings.host,
            port=settings.port,
            ready=listening,
            stop=stop,
            drain_seconds=settings.drain_seconds,
            draining=worker.drain,
            trusted_proxies=settings.trusted_proxies,
        )


async def _fill(worker: Worker, announce: Announce) -> People:
    from bongsu import demo

    return await demo.fill(worker, announce)


async def fill_demo(settings: Settings, *, announce: Announce) -> People:
    async with open_worker(settings, announce) as worker:
        return await _fill(worker, announce)


async def migrate(settings: Settings, *, contract: bool = False) -> None:
    async with open_database(settings, lambda _: None) as database:
        await migrate_database(database, contract=contract)


async def ask_doctor(settings: Settings) -> Case:
    """The facts of all sites; of this one alone, found out here, when it knows of no other."""
    if not settings.peers:
        return await _ask_here(settings)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    here = [Peer(settings.site, f"http://{host}:{settings.port}")] if settings.site else []
    peers = Peers(settings.site, parse_peers(settings.peers), settings.peer_secret, settings.peer_ca)
    try:
        others = [peer for peer in peers.all if peer.name != settings.site]
        return await ask_all(peers, [*here, *others], now_ms)
    finally:
        await peers.close()


async def _ask_here(settings: Settings) -> Case:
    async with open_database(settings, lambda _: None) as database:
        site = settings.site or ALONE
        keys = [feature.key for feature in FEATURES]
        found = await FactFinder(settings, database, sites=[site], features=keys, now_ms=now_ms).find()
    return Case((Heard(site, found),), now_ms())


async def read_incident_record(settings: Settings) -> tuple[list[EntryRow], list[Seal]]:
    """All entries, and what the sites that answer noted of them."""
    peers = Peers(settings.site, parse_peers(settings.peers), settings.peer_secret, settings.peer_ca)
    try:
        case = await ask_all(peers, peers.all, now_ms)
    finally:
        await peers.close()
    here = seal_in(settings.data)
    seals = [facts.seal for _, facts in case.facts if facts.seal] + ([here] if here else [])
    async with open_database(settings, lambda _: None) as database:
        return await entries(database), seals
