"""Approved texts (알림톡), under /_bongsu/v1/channels.

GET, POST /{channel_id}/templates                                   · GET, PUT /{channel_id}/templates/{template_id}
POST      /{channel_id}/templates/{template_id}/submit, withdraw, retire
POST      /{channel_id}/templates/{template_id}/messages            send one, with an Idempotency-Key
GET       /{channel_id}/messages/{message_id}                       what became of it
GET       /templates · POST /templates/{template_id}/{version}/approve, refuse     for administrators

What is sent needs no consent, as it is no advertising: each text has its reason, and the operator has read it. It
reaches whoever has an account here, but for those who have blocked the channel.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bongsu.channels.access import BASE, ONE, subject
from bongsu.channels.doors import Doors, Visitor
from bongsu.channels.forms import id_of, text_of
from bongsu.channels.saying import Fate, fate_of, say
from bongsu.channels.texts import FIELD
from bongsu.core import ids, limits, templates
from bongsu.core.channels import Deed
from bongsu.core.errors import Refusal, forbidden, full, invalid_param, missing_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.paging import next_token
from bongsu.core.scopes import Scope
from bongsu.core.templates import Action, Button, Filled, Reason, State, Template, Variable
from bongsu.core.tiers import Tier
from bongsu.core.webhooks import Type
from bongsu.http.describing import Described
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Handler, Route
from bongsu.store import audit, channel_messages, people, webhooks
from bongsu.store import channels as channel_table
from bongsu.store import templates as table
from bongsu.store.channel_messages import By, Said
from bongsu.store.channels import Channel
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.store.templates import Version
from bongsu.workflow.lists import page_of
from bongsu.workflow.writes import HEADER, Writes

_ALL: Final = f"{ONE}/templates"
_ITS: Final = f"{_ALL}/{{template_id}}"
_DECIDE: Final = f"{BASE}/templates/{{template_id}}/{{version}}"
_PAGED: Final = ("limit", "from")
_WRONG: Final = {409: ("BONGSU_WRONG_STATE", "BONGSU_CHANNEL_CLOSED")}
_SEND: Final = Scope.TEMPLATES_SEND


class NewTemplate(msgspec.Struct):
    """name: for the staff. reason: why somebody is told who may not follow. #{name} in body and urls: a variable."""

    name: str
    reason: Reason
    body: str
    variables: list[Variable] = []
    buttons: list[Button] = []


class Sending(msgspec.Struct):
    """to: a user id. version: the newest approved one, if none is named."""

    to: str
    variables: dict[str, str] = {}
    version: int | None = None


class Why(msgspec.Struct):
    why: str


# --- answers, as they are described ---


class VersionSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    template_id: str
    version: int
    channel_id: str
    state: State
    name: str
    reason: Reason
    body: str
    variables: list[Variable] = []
    buttons: list[Button] = []
    author: str
    made_ts: int
    why: str = ""
    decided_ts: int | None = None
    channel_name: str | None = None


class VersionsSaid(msgspec.Struct):
    """The newest version of each, or all versions of one, the newest first."""

    templates: list[VersionSaid]
    next_batch: str | None = None


class SentSaid(msgspec.Struct):
    message_id: str
    state: Fate


class MessageFate(msgspec.Struct, omit_defaults=True, kw_only=True):
    """queued: it waits for its turn; delivered: it stands in the person's chat; read: as far as it is to be known;

    refused: the person wants no invitations, or is gone.
    """

    message_id: str
    to: str
    state: Fate
    made_ts: int
    kind: By
    template_id: str | None = None
    version: int | None = None
    event_id: str | None = None
    delivered_ts: int | None = None
    read_ts: int | None = None


class Templates:
    """Written by the staff, decided by the operator, sent by programs."""

    def __init__(
        self,
        database: Database,
        doors: Doors,
        writes: Writes,
        limiter: RateLimiter,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._doors = doors
        self._writes = writes
        self._limiter = limiter
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [*self._of_staff(), *self._of_programs(), *self._of_operator()]

    def _of_staff(self) -> list[Route]:
        made, changed = {201: VersionSaid}, {200: VersionSaid}
        listed: tuple[tuple[str, str, Handler, Described], ...] = (
            ("GET", _ALL, self.all, Described("Its templates", {200: VersionsSaid}, query=_PAGED)),
            ("GET", _ITS, self.one, Described("All versions of one", {200: VersionsSaid})),
            ("POST", _ALL, self.make, _write("Writes a template", made, NewTemplate)),
            ("PUT", _ITS, self.edit, _write("Rewrites the draft, or begins a new version", changed, NewTemplate)),
            ("POST", f"{_ITS}/submit", self.submit, _write("Asks the operator to approve it", changed)),
            ("POST", f"{_ITS}/withdraw", self.withdraw, _write("Asks no more, so that it can be changed", changed)),
            ("POST", f"{_ITS}/retire", self.retire, _write("Sends what is approved no more", changed)),
        )
        return [Route(method, at, each, Auth.KEYED, None, Tier.SERVICE, told) for method, at, each, told in listed]

    def _of_programs(self) -> list[Route]:
        errors = {403: ("BONGSU_BLOCKED",), 409: ("BONGSU_NOT_APPROVED", "BONGSU_CHANNEL_CLOSED")}
        send = Described("Sends one", {202: SentSaid}, Sending, errors=errors, is_write=True)
        fate = Described("What became of a message", {200: MessageFate})
        return [
            Route("POST", f"{_ITS}/messages", self.send, Auth.KEYED, None, Tier.SERVICE, send),
            Route("GET", f"{ONE}/messages/{{message_id}}", self.fate, Auth.KEYED, None, Tier.SERVICE, fate),
        ]

    def _of_operator(self) -> list[Route]:
        changed = {200: VersionSaid}
        waiting = Described("Those that wait for the operator", {200: VersionsSaid}, query=_PAGED)
        approve, refuse = _write("It may be sent", changed), _write("It may not, and why", changed, Why)
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        return [
            Route("GET", f"{BASE}/templates", self.waiting, bucket="read", tier=Tier.SERVICE, described=waiting),
            Route("POST", f"{_DECIDE}/approve", self.approve, **write, described=approve),
            Route("POST", f"{_DECIDE}/refuse", self.refuse, **write, described=refuse),
        ]

    # --- the staff ---

    async def all(self, request: Request) -> Response:
        page = page_of(request)
        channel = (await self._doors.enter(request, Deed.SEE_TEMPLATES, _SEND)).channel
        found = await table.of_channel(self._database, channel.channel_id, page)
        places = [(0, each.template_id) for each in found]
        return reply({"templates": [_said(each) for each in found], **next_token(page, places)})

    async def one(self, request: Request) -> Response:
        channel = (await self._doors.enter(request, Deed.SEE_TEMPLATES, _SEND)).channel
        found = await table.versions(self._database, channel.channel_id, id_of(request, "template_id"))
        if not found:
            raise no_template()
        return reply({"templates": [_said(each) for each in found]})

    async def make(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.SET_TEMPLATES)
        text = _template(await request.read(NewTemplate))

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SET_TEMPLATES, is_alone=True)
            if await table.count(connection, inside.channel.channel_id) >= limits.TEMPLATES_MAX:
                raise full(f"a channel has at most {limits.TEMPLATES_MAX} templates")
            new = self._draft(inside, f"t{secrets.token_hex(8)}", 1, text)
            await table.add(connection, new)
            await self._note(connection, inside, new, "template.written")
            return Answer(201, _said(new))

        return await self._writes.once(request, work, whose=visitor.name)

    def _draft(self, who: Visitor, template_id: str, version: int, text: Template) -> Version:
        return Version(
            template_id=template_id,
            version=version,
            channel_id=who.channel.channel_id,
            text=text,
            state=State.DRAFT,
            author=who.name,
            made_ts=self._now_ms(),
        )

    async def edit(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.SET_TEMPLATES)
        text = _template(await request.read(NewTemplate))

        async def change(connection: Connection, inside: Visitor, newest: Version) -> Version:
            if newest.state is State.SUBMITTED:
                raise Refusal(409, "BONGSU_WRONG_STATE", "the operator looks at it: withdraw it first")
            is_draft = newest.state is State.DRAFT
            if not is_draft and newest.version >= limits.TEMPLATE_VERSIONS_MAX:
                raise full("this template has too many versions: write a new one")
            number = newest.version if is_draft else newest.version + 1
            draft = self._draft(inside, newest.template_id, number, text)
            await (table.rewrite if is_draft else table.add)(connection, draft)
            return draft

        return await self._change(request, visitor, "template.written", change)

    async def submit(self, request: Request) -> Response:
        return await self._move(request, Action.SUBMIT)

    async def withdraw(self, request: Request) -> Response:
        return await self._move(request, Action.WITHDRAW)

    async def retire(self, request: Request) -> Response:
        """The approved version, though a newer one may be under way."""
        return await self._move(request, Action.RETIRE)

    async def _move(self, request: Request, action: Action) -> Response:
        visitor = await self._doors.enter(request, Deed.SET_TEMPLATES)

        async def change(connection: Connection, inside: Visitor, newest: Version) -> Version:
            if action is Action.RETIRE:
                newest = await table.sendable(connection, newest.channel_id, newest.template_id, None) or newest
            state = templates.move(newest.state, action)
            after = msgspec.structs.replace(newest, state=state, made_ts=self._now_ms())
            if action is Action.WITHDRAW:
                return await _renumbered(connection, after)
            await table.set_state(connection, after)
            return after

        return await self._change(request, visitor, f"template.{action.value}", change)

    async def _change(self, request: Request, visitor: Visitor, what: str, change: Any) -> Response:
        """change: of the newest version, which is locked."""

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SET_TEMPLATES, is_alone=True)
            newest = await table.lock_newest(connection, inside.channel.channel_id, id_of(request, "template_id"))
            if newest is None:
                raise no_template()
            after: Version = await change(connection, inside, newest)
            await self._note(connection, inside, after, what)
            return Answer(200, _said(after))

        return await self._writes.once(request, work, whose=visitor.name)

    async def _note(self, connection: Connection, who: Visitor, about: Version, what: str) -> None:
        deed = audit.Deed(who.name, what, {"template_id": about.template_id, "version": about.version})
        await audit.add(connection, subject(about.channel_id), [deed], self._now_ms())

    # --- the operator ---

    async def waiting(self, request: Request) -> Response:
        _check_operator(request)
        page = page_of(request)
        found = await table.submitted(self._database, page)
        said = []
        for each in found:
            channel = await channel_table.channel_of(self._database, each.channel_id)
            said.append({**_said(each), "channel_name": channel.name if channel else ""})
        return reply({"templates": said, **next_token(page, [(each.made_ts, each.template_id) for each in found])})

    async def approve(self, request: Request) -> Response:
        return await self._decide(request, Action.APPROVE, "")

    async def refuse(self, request: Request) -> Response:
        why = text_of((await request.read(Why)).why, "why", limits.TEMPLATE_WHY_CHARACTERS_MAX)
        return await self._decide(request, Action.REFUSE, why)

    async def _decide(self, request: Request, action: Action, why: str) -> Response:
        _check_operator(request)
        who, template_id, version = request.requester.user_id, id_of(request, "template_id"), _number(request)

        async def work(connection: Connection) -> Answer:
            return Answer(200, _said(await self.decide(connection, (template_id, version), action, why, who)))

        return await self._writes.once(request, work)

    async def decide(
        self, connection: Connection, which: tuple[str, int], action: Action, why: str, actor: str
    ) -> Version:
        """In the caller's transaction. which: a template and its version; actor: "" for this server itself."""
        found = await table.lock_version(connection, *which)
        if found is None:
            raise no_template()
        state, now_ms = templates.move(found.state, action), self._now_ms()
        after = msgspec.structs.replace(found, state=state, why=why, decided_by=actor, decided_ts=now_ms)
        await table.set_state(connection, after)
        details = {"template_id": found.template_id, "version": found.version, "why": why}
        deed = audit.Deed(actor, f"template.{action.value}", details)
        await audit.add(connection, subject(found.channel_id), [deed], now_ms)
        told = {"template_id": found.template_id, "version": found.version, "state": state.value, "why": why}
        await webhooks.put(connection, found.channel_id, Type.TEMPLATE_DECIDED, told, now_ms)
        return after

    # --- programs ---

    async def send(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.SEND_TEMPLATES, _SEND)
        form = await request.read(Sending)
        if request.header(HEADER) is None:
            raise missing_param("an Idempotency-Key is needed, so that what is sent again is said once")
        to = ids.check_user_id(form.to)
        await self._limiter.spend_for("template", f"{visitor.channel.channel_id} {to}")

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SEND_TEMPLATES, _SEND)
            version = await self._sendable(connection, inside.channel, request, form.version)
            filled = templates.fill(version.text, form.variables)
            await _check_reachable(connection, inside.channel, to)
            message_id = await self._say(connection, inside, version, filled, to)
            return Answer(202, {"message_id": message_id, "state": Fate.QUEUED.value})

        return await self._writes.once(request, work, whose=visitor.name)

    async def _sendable(
        self, connection: Connection, channel: Channel, request: Request, version: int | None
    ) -> Version:
        template_id = id_of(request, "template_id")
        if version is not None and not 0 < version <= limits.TEMPLATE_VERSIONS_MAX:
            raise invalid_param("version is a whole number from 1")
        found = await table.sendable(connection, channel.channel_id, template_id, version)
        if found is None and await table.newest(connection, channel.channel_id, template_id) is None:
            raise no_template()
        if found is None:
            raise Refusal(409, "BONGSU_NOT_APPROVED", "the operator has not approved this, or it was retired")
        return found

    async def _say(self, connection: Connection, who: Visitor, version: Version, filled: Filled, to: str) -> str:
        said = Said(
            message_id=f"m{secrets.token_hex(12)}",
            channel_id=who.channel.channel_id,
            user_id=to,
            kind=By.TEMPLATE,
            author=who.name,
            outbox_id=0,
            made_ts=self._now_ms(),
            template_id=version.template_id,
            version=version.version,
        )
        about = {
            "template_id": version.template_id,
            "version": version.version,
            "reason": version.text.reason.value,
            "buttons": msgspec.to_builtins(filled.buttons),
        }
        content = {"msgtype": "m.text", "body": filled.readable, FIELD: about}
        return await say(connection, who.channel, said, content)

    async def fate(self, request: Request) -> Response:
        channel = (await self._doors.enter(request, Deed.SEE_TEMPLATES, _SEND)).channel
        found = await channel_messages.message(self._database, channel.channel_id, id_of(request, "message_id"))
        if found is None:
            raise not_found("this channel has sent no such message")
        outcome = await fate_of(self._database, channel, found)
        said = MessageFate(
            message_id=found.message_id,
            to=found.user_id,
            state=outcome.fate,
            made_ts=found.made_ts,
            kind=found.kind,
            template_id=found.template_id,
            version=found.version,
            event_id=outcome.event_id,
            delivered_ts=outcome.delivered_ts,
            read_ts=outcome.read_ts,
        )
        return reply(msgspec.to_builtins(said))


def _write(summary: str, answers: dict[int, Any], body: Any = None) -> Described:
    return Described(summary, answers, body, errors=_WRONG, is_write=True)


def _template(form: NewTemplate) -> Template:
    return templates.check(
        Template(form.name.strip(), form.reason, form.body, tuple(form.variables), tuple(form.buttons))
    )


def _said(version: Version) -> JsonObject:
    text = version.text
    said = VersionSaid(
        template_id=version.template_id,
        version=version.version,
        channel_id=version.channel_id,
        state=version.state,
        name=text.name,
        reason=text.reason,
        body=text.body,
        variables=list(text.variables),
        buttons=list(text.buttons),
        author=version.author,
        made_ts=version.made_ts,
        why=version.why,
        decided_ts=version.decided_ts,
    )
    return dict(msgspec.to_builtins(said))


async def _renumbered(connection: Connection, draft: Version) -> Version:
    """What the operator may have before his eyes just now is not what is written next: that has another number."""
    if draft.version >= limits.TEMPLATE_VERSIONS_MAX:
        raise full("this template has too many versions: write a new one")
    await table.withdraw(connection, draft)
    return msgspec.structs.replace(draft, version=draft.version + 1)


async def _check_reachable(connection: Connection, channel: Channel, to: str) -> None:
    if to == channel.account or not await people.exists(connection, to):
        raise not_found(f"there is no {to} here")
    if await channel_table.is_blocked(connection, channel.channel_id, to):
        raise Refusal(403, "BONGSU_BLOCKED", "this person has blocked the channel")


def _check_operator(request: Request) -> None:
    if not request.requester.is_admin:
        raise forbidden("this is for administrators")


def _number(request: Request) -> int:
    text = request.params["version"]
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise no_template()
    return int(text)


def no_template() -> Refusal:
    return not_found("there is no such template")
