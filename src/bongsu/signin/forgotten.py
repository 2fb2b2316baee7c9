"""A forgotten password: whoever reads the mail of an account's address sets a new one.

GET, POST /account/forgot
GET, POST /account/new-password

The proof is the protocol's own (matrix/confirmations.py): a mail with a link, a button behind it. It belongs to this
browser: its client secret is made from the cookie. No page says whether an address belongs to an account, for the mail
alone does.
"""

from collections.abc import Callable
from typing import Final

from bongsu.core import mail
from bongsu.core.errors import Refusal
from bongsu.http.request import Query, Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.matrix.confirmations import Confirmations, Wanted
from bongsu.matrix.interactive import secret_hash
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions
from bongsu.signin import markup
from bongsu.signin.desk import FORGOT, Desk, Problem, following, sign_in_path
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.sign_in import new_password
from bongsu.signin.visitor import Visitor
from bongsu.store.accounts import Accounts
from bongsu.store.third_party_ids import ThirdPartyIds

_PAGE: Final = f"{ACCOUNT}/new-password"
_PURPOSE: Final = "password"


class Forgotten:
    """Asks for the address, waits for the proof, takes the new password."""

    def __init__(
        self,
        desk: Desk,
        confirmations: Confirmations,
        addresses: ThirdPartyIds,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        now_ms: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._confirmations = confirmations
        self._addresses = addresses
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            page("GET", FORGOT, self.ask),
            page("POST", FORGOT, self.send, "register"),
            page("GET", _PAGE, self.wait),
            page("POST", _PAGE, self.change, "login"),
        ]

    # --- the address ---

    async def ask(self, request: Request) -> Response:
        return self._ask(request, await self._desk.visitors.visit(request))

    def _ask(self, request: Request, visitor: Visitor, typed: str = "", wrong: str = "") -> Response:
        if not self._confirmations.has_mail:
            raise Problem(404, "no_mail")
        say = self._desk.say
        title = say(visitor, "forgot_title")
        field = markup.field(
            "address",
            say(visitor, "address"),
            kind="email",
            value=typed[:255],
            error=say(visitor, wrong) if wrong else "",
            autocomplete="email",
            is_first=True,
        )
        send = markup.buttons(markup.button(say(visitor, "forgot_send")))
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "forgot_lead"), "lead"),
            markup.form(visitor.here, visitor.csrf, field, send),
            f'<p class="ends">{markup.link(sign_in_path(following(request)), say(visitor, "sign_in"))}</p>',
        )
        return self._desk.show(visitor, title, *body, status=400 if wrong else 200)

    async def send(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        typed = form.get("address") or ""
        address = mail.canonical_or_none(typed)
        if address is None:
            return self._ask(request, visitor, typed, "address_bad")
        wanted = Wanted(_PURPOSE, self._secret(visitor), address, self._now_ms())
        try:
            sid = await self._confirmations.begin(wanted, visitor.language)
        except Refusal as refusal:
            if refusal.errcode != "M_THREEPID_DENIED":
                raise
            return self._ask(request, visitor, typed, "address_bad")
        return self._desk.go(visitor, sign_in_path(following(request), _PAGE, proof=sid))

    @staticmethod
    def _secret(visitor: Visitor) -> bytes:
        """csrf is made from the cookie, so that a proof's sid is of use in this browser alone."""
        return secret_hash(f"forgot-{visitor.csrf}")

    # --- the new password ---

    async def wait(self, request: Request) -> Response:
        visitor = await self._desk.visitors.visit(request)
        return self._form(visitor) if await self._proof(request, visitor) else self._waiting(request, visitor)

    async def _proof(self, request: Request, visitor: Visitor) -> str | None:
        """The sid of what the address names, once its owner has pressed the button."""
        sid = request.query.get("proof") or ""
        if mail.is_opaque(sid) and await self._addresses.proven(_PURPOSE, sid, self._secret(visitor)):
            return sid
        return None

    def _waiting(self, request: Request, visitor: Visitor) -> Response:
        say = self._desk.say
        title = say(visitor, "forgot_sent")
        again = sign_in_path(following(request), FORGOT)
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "forgot_sent_lead"), "lead"),
            markup.buttons(markup.link(visitor.here, say(visitor, "go_on"), "button")),
            markup.paragraph(say(visitor, "forgot_none"), "hint ends"),
            f'<p class="ends">{markup.link(again, say(visitor, "forgot_again"))}</p>',
        )
        return self._desk.show(visitor, title, *body)

    def _form(self, visitor: Visitor, wrong: tuple[str, str] | None = None) -> Response:
        say = self._desk.say
        errors = {} if wrong is None else {wrong[0]: say(visitor, wrong[1])}
        title = say(visitor, "password_new")
        body = (
            markup.heading(title),
            markup.form(
                visitor.here,
                visitor.csrf,
                *new_password(self._desk, visitor, errors, "password_new"),
                markup.tick("others", say(visitor, "end_others"), is_on=True),
                markup.buttons(markup.button(say(visitor, "change_password"))),
            ),
        )
        return self._desk.show(visitor, title, *body, status=400 if wrong else 200)

    async def change(self, request: Request) -> Response:
        """Signing in comes after it, with the second factor of those who have one."""
        visitor, form = await self._desk.visitors.form(request)
        sid = await self._proof(request, visitor)
        if sid is None:
            return self._waiting(request, visitor)
        if form.get("password") != form.get("repeat"):
            return self._form(visitor, ("repeat", "not_the_same"))
        try:
            await self._set(sid, form)
        except Refusal as refusal:
            return self._refused(visitor, refusal)
        return self._desk.go(visitor, sign_in_path(following(request), done="password_changed"))

    async def _set(self, sid: str, form: Query) -> None:
        password_hash = await self._passwords.hash(form.get("password") or "")
        sign_out = form.get("others") is not None
        user_id, ended = await self._accounts.reset_password(sid, password_hash, sign_out=sign_out)
        await self._sessions.tell(user_id, ended)

    def _refused(self, visitor: Visitor, refusal: Refusal) -> Response:
        """Too short, used up just before, or nobody's address any more."""
        if refusal.errcode in ("M_WEAK_PASSWORD", "M_INVALID_PARAM"):
            return self._form(visitor, ("password", "password_short"))
        if refusal.status in (400, 404):
            raise Problem(400, "forgot_over") from None
        raise refusal
