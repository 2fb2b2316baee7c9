"""Where a person says whether an app may use their account.

GET, POST /oauth2/authorize
GET, POST /account/device
"""

import re
import secrets
import time
from html import escape
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN  # type: ignore[import-untyped]

from bongsu.core import ids, limits, oauth
from bongsu.core.errors import Refusal
from bongsu.core.oauth import BadScope, Scope, app_name, app_site
from bongsu.http.authentication import token_hash
from bongsu.http.form import check_fields
from bongsu.http.place import with_pairs
from bongsu.http.request import Query, Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.signin import markup, refusals
from bongsu.signin.apps import Apps
from bongsu.signin.desk import SIGN_UP, Away, Desk, Problem, sign_in_path
from bongsu.signin.oauth import granted
from bongsu.signin.paths import ACCOUNT, AUTHORIZE
from bongsu.signin.visitor import Visitor
from bongsu.store.accounts import Accounts
from bongsu.store.oauth import Client, Grant, OAuth

_DEVICE: Final = f"{ACCOUNT}/device"
_CLOCK_SECONDS: Final = 5  # between two workers, so that nobody signs in again and again


class Back(Exception):
    """The app is told that it gets nothing. kind: of the error."""

    def __init__(self, kind: Any, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Asked(msgspec.Struct, frozen=True):
    """An app's wish, of which only the two last words were checked: where the answer goes is the app's own."""

    query: Query
    client: Client
    redirect_uri: str

    def text(self, name: str) -> str | None:
        value = self.query.get(name)
        if value is not None and len(value) > limits.OAUTH_TEXT_BYTES_MAX:
            raise Back(refusals.InvalidRequest, f"{name} is too long")
        return value


class Consent:
    """Codes for apps, and answers to devices."""

    def __init__(self, desk: Desk, table: OAuth, apps: Apps, accounts: Accounts) -> None:
        self._desk = desk
        self._table = table
        self._apps = apps
        self._accounts = accounts

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            page("GET", AUTHORIZE, self.ask),
            page("POST", AUTHORIZE, self.answer, "login"),
            page("GET", _DEVICE, self.ask_device, "probe"),
            page("POST", _DEVICE, self.answer_device, "login"),
        ]

    # --- apps that wait at an address ---

    async def _asked(self, request: Request) -> Asked:
        """Until it is known that the address is the app's own, nothing is sent there."""
        try:
            query = check_fields(request.query)
        except Refusal:
            raise Problem(400, "no_such_app") from None
        client = await self._apps.find(query.get("client_id"))
        redirect_uri = query.get("redirect_uri")
        if client is None or redirect_uri is None or len(redirect_uri) > limits.OAUTH_TEXT_BYTES_MAX:
            raise Problem(400, "no_such_app")
        if not oauth.is_redirect_of(client.metadata, redirect_uri):
            raise Problem(400, "no_such_app")
        return Asked(query, client, redirect_uri)

    async def ask(self, request: Request) -> Response:
        asked = await self._asked(request)
        try:
            scope = _check(asked)
            visitor = await self._admit(request, asked)
        except Back as back:
            return self._back(request, asked, back)
        return await self._page(visitor, asked, scope)

    async def _admit(self, request: Request, asked: Asked) -> Visitor:
        """Somebody who is signed in; and has just done so, if the app wants that."""
        visitor = await self._desk.visitors.visit(request)
        prompt = (asked.query.get("prompt") or "").split()
        if visitor.user_id is not None and "none" in prompt:
            raise Back(_ConsentRequired, "nobody allows an app without being asked")
        if "none" in prompt:
            raise Back(_LoginRequired, "nobody is signed in")
        following = _without_prompt(asked.query)
        if "create" in prompt:
            raise Away(sign_in_path(following, SIGN_UP))
        if visitor.user_id is None:
            raise Away(sign_in_path(following, **_hint(asked)))
        if "login" in prompt or _is_too_long_ago(visitor, asked):
            raise Away(sign_in_path(following, again="yes"))
        return visitor

    async def _page(self, visitor: Visitor, asked: Asked, scope: Scope) -> Response:
        say, metadata = self._desk.say, asked.client.metadata
        app = app_name(metadata, visitor.language)
        target = urlsplit(asked.redirect_uri)
        goes_to = target.netloc if target.scheme in ("http", "https") else f"{target.scheme}:"
        title = say(visitor, "allow_title", app=app)
        body = (
            markup.heading(title),
            *await self._told(visitor, asked.client, scope),
            markup.paragraph(say(visitor, "goes_to", target=goes_to), "hint"),
            self._choice(visitor, visitor.here),
            self._other(visitor),
        )
        return self._desk.show(visitor, title, *body, target=asked.redirect_uri)

    async def _told(self, visitor: Visitor, client: Client, scope: Scope) -> list[str]:
        """What somebody has to know who decides (markup)."""
        say = self._desk.say
        app = app_name(client.metadata, visitor.language)
        if scope.has_api:
            keys = ["may_read", "may_rooms", "may_profile"]
        else:
            keys = ["may_know_name" if "profile" in scope.text.split() else "may_know"]
        may = "".join(f"<li>{say(visitor, key)}</li>" for key in keys)
        told = [
            markup.paragraph(say(visitor, "allow_lead", app=app, site=app_site(client.metadata)), "lead"),
            markup.paragraph(say(visitor, "signed_in_as", user_id=visitor.user_id or ""), "who"),
            markup.paragraph(say(visitor, "may")),
            f'<ul class="may">{may}</ul>',
            markup.paragraph(say(visitor, "may_not"), "hint"),
        ]
        if scope.device_id is not None and visitor.user_id is not None:
            device = await self._accounts.device(visitor.user_id, scope.device_id)
            if device is not None:
                name = f"{device.display_name or say(visitor, 'unnamed')} ({device.device_id})"
                told.append(markup.paragraph(say(visitor, "replaces", device=name)))
        return told

    def _choice(self, visitor: Visitor, action: str, **fields: str) -> str:
        say = self._desk.say
        return markup.form(
            action,
            visitor.csrf,
            markup.buttons(
                markup.button(say(visitor, "allow"), name="decision", value="allow"),
                markup.button(say(visitor, "deny"), name="decision", value="deny", kind="quiet"),
            ),
            fields=fields,
        )

    def _other(self, visitor: Visitor) -> str:
        """For whoever is signed in as the wrong person."""
        text = self._desk.say(visitor, "not_you")
        return f'<p class="ends">{markup.link(sign_in_path(visitor.here, switch="yes"), text)}</p>'

    async def answer(self, request: Request) -> Response:
        asked = await self._asked(request)
        visitor, form = await self._desk.member_form(request)
        try:
            scope = _check(asked)
            if form.get("decision") != "allow":
                raise Back(refusals.AccessDenied, "the person said no")
            code = await self._allow(visitor, asked, scope)
        except Back as back:
            return self._back(request, asked, back)
        return self._send(request, asked, {"code": code})

    async def _allow(self, visitor: Visitor, asked: Asked, scope: Scope) -> str:
        assert visitor.browser is not None
        code = f"bsc_{secrets.token_urlsafe(32)}"
        grant = granted(
            client_id=asked.client.client_id,
            scope=scope.text,
            user_id=visitor.browser.user_id,
            redirect_uri=asked.redirect_uri,
            challenge=asked.text("code_challenge"),
            nonce=asked.text("nonce"),
            proven_at=visitor.browser.proven_at,
        )
        await self._table.put_grant(token_hash(code), grant, visitor.session_hash)
        return code

    def _back(self, request: Request, asked: Asked, back: Back) -> Response:
        said = {"error": refusals.name_of(back.kind), "error_description": back.message}
        return self._send(request, asked, said)

    def _send(self, request: Request, asked: Asked, said: dict[str, str]) -> Response:
        """Back to the app, by its address's query or fragment."""
        state = asked.query.get("state")
        if state is not None and len(state) <= limits.OAUTH_TEXT_BYTES_MAX:
            said = {**said, "state": state}
        said = {**said, "iss": self._desk.place.issuer(request)}
        in_fragment = asked.query.get("response_mode") == "fragment"
        address = with_pairs(asked.redirect_uri, said, in_fragment=in_fragment)
        headers = {"location": address, "cache-control": "no-store", "referrer-policy": "no-referrer"}
        return Response(status=303, headers=headers)

    # --- devices that wait for an answer ---

    async def ask_device(self, request: Request) -> Response:
        visitor = await self._desk.member(request)
        typed = request.query.get("code")
        if typed is None:
            return self._code_form(visitor)
        grant = await self._table.asked_by_device(_tidy(typed))
        if grant is None:
            return self._code_form(visitor, typed[:20], "device_code_bad")
        return await self._device_page(visitor, grant)

    def _code_form(self, visitor: Visitor, typed: str = "", wrong: str = "") -> Response:
        """It leads to a page that asks, and so may be a link, too: it goes by GET."""
        say = self._desk.say
        title = say(visitor, "device_title")
        code = markup.field(
            "code",
            say(visitor, "device_code"),
            error=say(visitor, wrong) if wrong else "",
            value=typed,
            is_first=True,
            autocomplete="off",
            autocapitalize="characters",
            spellcheck="false",
            maxlength="20",
            placeholder="XXXX-XXXX",
            css="code",
        )
        go_on = markup.buttons(markup.button(say(visitor, "go_on")))
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "device_lead"), "lead"),
            f'<form method="get" action="{_DEVICE}">{code}{go_on}</form>',
        )
        return self._desk.show(visitor, title, *body, status=404 if wrong else 200)

    async def _device_page(self, visitor: Visitor, grant: Grant) -> Response:
        client = await self._apps.find(grant.client_id)
        if client is None or grant.user_code is None:
            raise Problem(404, "device_code_bad")
        title = self._desk.say(visitor, "allow_title", app=app_name(client.metadata, visitor.language))
        code = f"<strong>{escape(grant.user_code)}</strong>"
        body = (
            markup.heading(title),
            f'<p class="alert">{self._desk.say(visitor, "device_check", code=code)}</p>',
            *await self._told(visitor, client, oauth.read_scope(grant.scope)),
            self._choice(visitor, _DEVICE, code=grant.user_code),
            self._other(visitor),
        )
        return self._desk.show(visitor, title, *body)

    async def answer_device(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request)
        code, allowed = _tidy(form.get("code") or ""), form.get("decision") == "allow"
        grant = await self._table.asked_by_device(code)
        client = None if grant is None else await self._apps.find(grant.client_id)
        if client is None or not await self._table.answer_device(code, visitor.session_hash, allowed=allowed):
            return self._code_form(visitor, code, "device_code_bad")
        title = self._desk.say(visitor, "device_done")
        app = app_name(client.metadata, visitor.language)
        said = self._desk.say(visitor, "device_allowed" if allowed else "device_denied", app=app)
        return self._desk.show(visitor, title, markup.heading(title), markup.paragraph(said))


class _LoginRequired:  # these two are OpenID Connect's
    error = "login_required"


class _ConsentRequired:
    error = "consent_required"


def _check(asked: Asked) -> Scope:
    """What the app asks for, in a way that can be answered. Raises Back."""
    if asked.query.get("response_type") != "code":
        raise Back(refusals.UnsupportedResponseType, "response_type must be code")
    if asked.query.get("response_mode") not in (None, "query", "fragment"):
        raise Back(refusals.InvalidRequest, "response_mode must be query or fragment")
    if oauth.CODE_GRANT not in asked.client.metadata["grant_types"]:
        raise Back(refusals.UnauthorizedClient, "this client was not registered for this grant")
    challenge = asked.text("code_challenge")
    is_hash = challenge is not None and CODE_CHALLENGE_PATTERN.match(challenge)
    if asked.query.get("code_challenge_method") != "S256" or not is_hash:
        raise Back(refusals.InvalidRequest, "a code_challenge by S256 is needed")
    for name in ("state", "nonce"):
        asked.text(name)
    try:
        return oauth.read_scope(asked.text("scope") or "")
    except BadScope as error:
        raise Back(refusals.InvalidScope, str(error)) from None


def _without_prompt(query: Query) -> str:
    """The same wish, for after the person has signed in; else they would be asked to for ever."""
    pairs = [(name, value) for name, value in query.pairs() if name not in ("prompt", "lang")]
    return f"{AUTHORIZE}?{urlencode(pairs)}"


def _hint(asked: Asked) -> dict[str, str]:
    hint = (asked.query.get("login_hint") or "").removeprefix("mxid:")
    return {"hint": hint} if ids.is_user_id(hint) else {}


def _is_too_long_ago(visitor: Visitor, asked: Asked) -> bool:
    """OpenID Connect's max_age."""
    given = asked.query.get("max_age")
    if given is None or not re.fullmatch(r"[0-9]{1,9}", given) or visitor.browser is None:
        return False
    return time.time() - visitor.browser.proven_at.timestamp() > int(given) + _CLOCK_SECONDS


def _tidy(typed: str) -> str:
    """A user code as it is kept, whatever was typed between its letters."""
    letters = re.sub(r"[^A-Z]", "", typed.upper()[:40])
    return f"{letters[:4]}-{letters[4:]}"
