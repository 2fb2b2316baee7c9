"""Passkeys (WebAuthn): made on the account's page, shown instead of password and code.

POST /account/sign-in/passkey/ask · POST /account/sign-in/passkey
GET  /account/passkeys · POST /account/passkeys/ask · POST /account/passkeys · POST /account/passkeys/remove
"""

from typing import Final

from bongsu.core import base64url
from bongsu.core.errors import Refusal
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.signin import markup
from bongsu.signin.ceremonies import Ceremonies
from bongsu.signin.desk import Desk, Problem, following
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.visitor import Visitor
from bongsu.store.accounts import Accounts
from bongsu.store.factors import Factors, Passkey

PAGE: Final = f"{ACCOUNT}/passkeys"
PASSKEY_SIGN_IN: Final = f"{ACCOUNT}/sign-in/passkey"
ASK_SIGN_IN: Final = f"{PASSKEY_SIGN_IN}/ask"


class Passkeys:
    """What is asked of a browser is answered by that browser."""

    def __init__(self, desk: Desk, table: Factors, accounts: Accounts, ceremonies: Ceremonies) -> None:
        self._desk = desk
        self._table = table
        self._ceremonies = ceremonies
        self._accounts = accounts

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            page("POST", ASK_SIGN_IN, self.ask_sign_in, "login"),
            page("POST", PASSKEY_SIGN_IN, self.sign_in, "login"),
            page("GET", PAGE, self.show),
            page("POST", f"{PAGE}/ask", self.ask, "login"),
            page("POST", PAGE, self.add, "login"),
            page("POST", f"{PAGE}/remove", self.remove, "login"),
        ]

    # --- signing in ---

    async def ask_sign_in(self, request: Request) -> Response:
        visitor, _ = await self._desk.visitors.form(request)
        return _json(await self._ceremonies.ask_to_show(request, _purpose("sign in", visitor)))

    async def sign_in(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        user_id = await self._ceremonies.shown(request, form.get("credential"), _purpose("sign in", visitor))
        user = None if user_id is None else await self._accounts.user(user_id)
        if user is None:
            raise Problem(403, "passkey_failed")
        if user.deactivated_at is not None or user.locked:
            raise Problem(403, "deactivated" if user.deactivated_at is not None else "locked")
        return self._desk.go(await self._desk.visitors.sign_in(visitor, user.user_id), following(request))

    # --- the page ---

    async def show(self, request: Request) -> Response:
        visitor = await self._desk.member(request, fresh=True)
        return await self._page(visitor, "passkey_added" if request.query.get("done") else "")

    async def _page(self, visitor: Visitor, done: str = "", wrong: str = "") -> Response:
        assert visitor.user_id is not None
        say = self._desk.say
        title = say(visitor, "passkeys")
        passkeys = await self._table.passkeys(visitor.user_id)
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "passkeys_lead"), "lead"),
            markup.notice(say(visitor, done)) if done else "",
            markup.alert(say(visitor, wrong)) if wrong else "",
            markup.rows(self._row(visitor, passkey) for passkey in passkeys) if passkeys else "",
            self._form(visitor),
            f'<noscript><p class="ends">{say(visitor, "passkeys_script")}</p></noscript>',
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body, status=400 if wrong else 200)

    def _form(self, visitor: Visitor) -> str:
        say = self._desk.say
        label, hint = say(visitor, "passkey_name"), say(visitor, "passkey_name_hint")
        return markup.form(
            PAGE,
            visitor.csrf,
            markup.field("name", label, hint=hint, autocomplete="off", maxlength="60"),
            f'<p class="alert" role="alert" hidden>{say(visitor, "passkey_failed")}</p>',
            markup.buttons(markup.button(say(visitor, "passkey_add"))),
            fields={"credential": ""},
            data_passkey="make",
            data_ask=f"{PAGE}/ask",
            hidden="",
        )

    def _row(self, visitor: Visitor, passkey: Passkey) -> str:
        say = self._desk.say
        since = say(visitor, "passkey_since", date=f"{passkey.created_at:%Y-%m-%d}")
        used = "" if passkey.used_at is None else say(visitor, "passkey_used", date=f"{passkey.used_at:%Y-%m-%d}")
        remove = markup.button(say(visitor, "passkey_remove"), kind="grave small")
        return (
            markup.paragraph(passkey.name, "who")
            + markup.paragraph(" · ".join(filter(None, (since, used))), "hint")
            + markup.form(
                f"{PAGE}/remove", visitor.csrf, remove, fields={"id": base64url.encode(passkey.credential_id)}
            )
        )

    async def ask(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        return _json(await self._ceremonies.ask_to_make(request, visitor.user_id, _purpose("add", visitor)))

    async def add(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        name = (form.get("name") or "").strip() or self._desk.say(visitor, "passkeys")
        try:
            said, purpose = form.get("credential"), _purpose("add", visitor)
            await self._ceremonies.keep(request, said, visitor.user_id, name, purpose)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            return await self._page(visitor, wrong="passkey_bad")
        return self._desk.go(visitor, f"{PAGE}?done=yes")

    async def remove(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        try:
            credential_id = base64url.decode(form.get("id") or "")
        except ValueError:
            raise Problem(400, "passkey_bad") from None
        await self._table.remove_passkey(visitor.user_id, credential_id)
        return self._desk.go(visitor, PAGE)


def _purpose(what: str, visitor: Visitor) -> str:
    return f"{what} {visitor.session_hash.hex()}"


def _json(text: str) -> Response:
    return Response(text.encode(), headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})
