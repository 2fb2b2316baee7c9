"""A person's own account: what is signed in, the password, the end.

GET  /account (and ?action=… , as apps send people there)
GET  /account/sessions · GET, POST /account/sessions/{device_id} · POST /account/end-all
GET, POST /account/password
GET, POST /account/reset-keys
GET, POST /account/deactivate
"""

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal
from bongsu.core.oauth import app_name, app_site
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.matrix.deactivation import Deactivation
from bongsu.matrix.interactive import named_by_id
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions
from bongsu.signin import markup
from bongsu.signin.desk import Desk, Problem, sign_in_path
from bongsu.signin.oauth import ACTIONS
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.sign_in import new_password
from bongsu.signin.visitor import Visitor
from bongsu.store.accounts import Accounts, Device
from bongsu.store.factors import Factors
from bongsu.store.oauth import Client, OAuth

_SESSIONS: Final = f"{ACCOUNT}/sessions"
_PASSWORD: Final = f"{ACCOUNT}/password"
_RESET: Final = f"{ACCOUNT}/reset-keys"
_END: Final = f"{ACCOUNT}/deactivate"
_MENU: Final = (
    (_SESSIONS, "sessions"),
    (_PASSWORD, "change_password"),
    (f"{ACCOUNT}/passkeys", "passkeys"),
    (f"{ACCOUNT}/two-step", "two_step"),
    (_RESET, "reset_keys"),
    (_END, "deactivate"),
)
_DONE: Final = ("password_changed", "two_step_stopped", "session_ended")


class AccountPages:
    """Everything about an account but its passkeys and two-step sign-in."""

    def __init__(
        self,
        desk: Desk,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        deactivation: Deactivation,
        apps: OAuth,
        factors: Factors,
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._deactivation = deactivation
        self._apps = apps
        self._factors = factors

    def routes(self) -> list[Route]:
        page = self._desk.page
        one = f"{_SESSIONS}/{{device_id}}"
        return [
            page("GET", ACCOUNT, self.show),
            page("GET", _SESSIONS, self.sessions),
            page("GET", one, self.session),
            page("POST", one, self.end_session, "login"),
            page("POST", f"{ACCOUNT}/end-all", self.end_all, "login"),
            page("GET", _PASSWORD, self.ask_password),
            page("POST", _PASSWORD, self.change_password, "login"),
            page("GET", _RESET, self.ask_reset),
            page("POST", _RESET, self.allow_reset, "login"),
            page("GET", _END, self.ask_end),
            page("POST", _END, self.end, "login"),
        ]

    async def show(self, request: Request) -> Response:
        path = ACTIONS.get(request.query.get("action") or "", ACCOUNT)
        device_id = request.query.get("device_id")
        if path == _SESSIONS and device_id:
            path = _address(device_id)
        visitor = await self._desk.member(request)
        if path != ACCOUNT:
            return self._desk.go(visitor, path)
        return self._menu(visitor, request.query.get("done") or "")

    def _menu(self, visitor: Visitor, done: str) -> Response:
        say = self._desk.say
        title = say(visitor, "account")
        items = "".join(
            f'<li><a href="{path}">{say(visitor, key)}<span>{say(visitor, f"{key}_menu")}</span></a></li>'
            for path, key in _MENU
        )
        out = markup.buttons(markup.button(say(visitor, "sign_out"), kind="quiet"))
        body = (
            markup.heading(title),
            markup.paragraph(visitor.user_id or "", "who"),
            markup.notice(say(visitor, done)) if done in _DONE else "",
            f'<ul class="rows menu">{items}</ul>',
            markup.form(f"{ACCOUNT}/sign-out", visitor.csrf, out),
        )
        return self._desk.show(visitor, title, *body)

    # --- sessions ---

    async def sessions(self, request: Request) -> Response:
        visitor = await self._desk.member(request)
        assert visitor.user_id is not None
        say = self._desk.say
        devices = await self._accounts.devices(visitor.user_id)
        apps = await self._apps.clients([each.client_id for each in devices if each.client_id])
        title = say(visitor, "sessions")
        everywhere = markup.form(
            f"{ACCOUNT}/end-all",
            visitor.csrf,
            markup.paragraph(say(visitor, "end_all_lead"), "hint"),
            markup.buttons(markup.button(say(visitor, "end_all"), kind="grave")),
        )
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "sessions_lead" if devices else "no_sessions"), "lead"),
            markup.rows(self._row(visitor, device, apps) for device in devices),
            everywhere,
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body)

    def _row(self, visitor: Visitor, device: Device, apps: Mapping[str, Client]) -> str:
        app = apps.get(device.client_id or "")
        site = "" if app is None else f"{app_site(app.metadata)} · "
        told = f"{site}{self._desk.say(visitor, 'session_seen')} "
        when = f'<span class="when">{self._when(visitor, device.seen_at)}</span>'
        name = device.display_name or self._desk.say(visitor, "unnamed")
        return f'{markup.link(_address(device.device_id), name)}<p class="hint">{escape(told)}{when}</p>'

    def _when(self, visitor: Visitor, at: datetime | None) -> str:
        return self._desk.say(visitor, "never") if at is None else f"{at:%Y-%m-%d %H:%M} UTC"

    async def session(self, request: Request) -> Response:
        visitor = await self._desk.member(request)
        device = await self._device(request, visitor)
        say = self._desk.say
        apps = await self._apps.clients([device.client_id] if device.client_id else [])
        pairs = [
            (say(visitor, "session_id"), device.device_id),
            (say(visitor, "session_seen"), self._when(visitor, device.seen_at)),
            (say(visitor, "session_where"), device.seen_address or "–"),
        ]
        for app in apps.values():
            name = f"{app_name(app.metadata, visitor.language)} ({app_site(app.metadata)})"
            pairs.insert(0, (say(visitor, "session_app"), name))
        title = device.display_name or say(visitor, "unnamed")
        body = (
            markup.heading(title),
            markup.facts(pairs),
            markup.form(
                _address(device.device_id),
                visitor.csrf,
                markup.paragraph(say(visitor, "session_end_lead"), "hint"),
                markup.buttons(markup.button(say(visitor, "session_end"), kind="grave")),
            ),
            f'<p class="ends">{markup.link(_SESSIONS, say(visitor, "sessions"))}</p>',
        )
        return self._desk.show(visitor, title, *body)

    async def _device(self, request: Request, visitor: Visitor) -> Device:
        assert visitor.user_id is not None
        device_id = ids.check_text(request.params["device_id"], "device_id", limits.DEVICE_ID_BYTES_MAX)
        device = await self._accounts.device(visitor.user_id, device_id)
        if device is None:
            raise Problem(404, "session_none")
        return device

    async def end_session(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request)
        assert visitor.user_id is not None
        device = await self._device(request, visitor)
        await self._sessions.end(visitor.user_id, [device.device_id])
        return self._desk.go(visitor, f"{ACCOUNT}?done=session_ended")

    async def end_all(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request)
        assert visitor.user_id is not None
        await self._sessions.end_all(visitor.user_id)
        return self._desk.go(await self._desk.visitors.sign_out(visitor), sign_in_path(ACCOUNT))

    # --- the password ---

    async def ask_password(self, request: Request) -> Response:
        return self._password_form(await self._desk.member(request))

    def _password_form(self, visitor: Visitor, wrong: tuple[str, str] | None = None) -> Response:
        say = self._desk.say
        errors = {} if wrong is None else {wrong[0]: say(visitor, wrong[1])}
        title = say(visitor, "change_password")
        body = (
            markup.heading(title),
            markup.form(
                _PASSWORD,
                visitor.csrf,
                self._own_password(visitor, "password_now", errors.get("now", "")),
                *new_password(self._desk, visitor, errors, "password_new"),
                markup.tick("others", say(visitor, "end_others"), is_on=True),
                markup.buttons(markup.button(title)),
            ),
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body, status=400 if wrong else 200)

    def _own_password(self, visitor: Visitor, label: str, error: str) -> str:
        """With the name beside it, unseen, by which a password manager knows whose it is."""
        whose = markup.owner(visitor.user_id or "")
        return whose + markup.field(
            "now", self._desk.say(visitor, label), kind="password", error=error, autocomplete="current-password"
        )

    async def _knows_password(self, user_id: str, password: str) -> bool:
        try:
            await self._passwords.prove(named_by_id(user_id), password)
        except Refusal as refusal:
            if refusal.status != 403:
                raise
            return False
        return True

    async def change_password(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request)
        assert visitor.user_id is not None
        assert visitor.browser is not None
        if form.get("password") != form.get("repeat"):
            return self._password_form(visitor, ("repeat", "not_the_same"))
        if not await self._knows_password(visitor.user_id, form.get("now") or ""):
            return self._password_form(visitor, ("now", "password_is_wrong"))
        try:
            password_hash = await self._passwords.hash(form.get("password") or "")
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            return self._password_form(visitor, ("password", "password_short"))
        ended = await self._accounts.set_password(
            visitor.user_id, password_hash, sign_out=form.get("others") is not None
        )
        await self._sessions.tell(visitor.user_id, ended)
        signed_in = await self._desk.visitors.sign_in(
            visitor, visitor.user_id, proven_hash=password_hash, proven_at=visitor.browser.proven_at
        )  # no fresh proof: the second factor was not asked for
        return self._desk.go(signed_in, f"{ACCOUNT}?done=password_changed")

    # --- a new encryption identity ---

    async def ask_reset(self, request: Request) -> Response:
        visitor = await self._desk.member(request, fresh=True)
        say = self._desk.say
        title = say(visitor, "reset_keys")
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "reset_keys_lead"), "lead"),
            markup.form(
                _RESET, visitor.csrf, markup.buttons(markup.button(say(visitor, "reset_keys_go"), kind="grave"))
            ),
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body)

    async def allow_reset(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        await self._factors.allow_reset(visitor.user_id, visitor.session_hash)
        title = self._desk.say(visitor, "device_done")
        body = (markup.heading(title), markup.paragraph(self._desk.say(visitor, "reset_keys_done")))
        return self._desk.show(visitor, title, *body)

    # --- the end ---

    async def ask_end(self, request: Request) -> Response:
        return self._end_form(await self._desk.member(request))

    def _end_form(self, visitor: Visitor, wrong: str = "") -> Response:
        say = self._desk.say
        title = say(visitor, "deactivate")
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "deactivate_lead", user_id=visitor.user_id or ""), "lead"),
            markup.form(
                _END,
                visitor.csrf,
                self._own_password(visitor, "password", say(visitor, wrong) if wrong else ""),
                markup.tick("erase", say(visitor, "deactivate_erase")),
                markup.buttons(markup.button(title, kind="grave")),
            ),
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body, status=403 if wrong else 200)

    async def end(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request)
        assert visitor.user_id is not None
        if not await self._knows_password(visitor.user_id, form.get("now") or ""):
            return self._end_form(visitor, "password_is_wrong")
        await self._deactivation.deactivate(visitor.user_id, erase=form.get("erase") is not None)
        stranger = await self._desk.visitors.sign_out(visitor)
        title = self._desk.say(stranger, "deactivated_title")
        return self._desk.show(stranger, title, markup.heading(title))


def _address(device_id: str) -> str:
    return f"{_SESSIONS}/{quote(device_id, safe='')}"
