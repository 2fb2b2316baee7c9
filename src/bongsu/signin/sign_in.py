"""Signing in, up and out by browser.

GET, POST /account/sign-in
GET, POST /account/code
GET, POST /account/sign-up
POST /account/sign-out
"""

from typing import Final

from bongsu.core import limits, usernames
from bongsu.core.errors import Refusal
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.matrix.interactive import named_by_address, named_by_id
from bongsu.matrix.passwords import Named, Passwords
from bongsu.matrix.register import Registration
from bongsu.signin import markup
from bongsu.signin.desk import FORGOT, SIGN_IN, SIGN_UP, Desk, Problem, following, sign_in_path
from bongsu.signin.passkeys import ASK_SIGN_IN, PASSKEY_SIGN_IN
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.two_step import CODE, TwoStep
from bongsu.signin.visitor import Visitor
from bongsu.store.third_party_ids import ThirdPartyIds

_SIGN_OUT: Final = f"{ACCOUNT}/sign-out"
_OF_PASSWORD: Final = {"M_FORBIDDEN": "wrong_password", "M_USER_LOCKED": "locked", "M_USER_DEACTIVATED": "deactivated"}
_OF_SIGN_UP: Final = {
    "M_USER_IN_USE": ("user", "name_taken"),
    "M_EXCLUSIVE": ("user", "name_taken"),
    "M_INVALID_USERNAME": ("user", "name_bad"),
    "M_WEAK_PASSWORD": ("password", "password_short"),
    "M_INVALID_PARAM": ("password", "password_short"),
    "M_FORBIDDEN": ("token", "token_bad"),
}


class SignIn:
    """With a password, and the second factor of those who have one. Passkeys stand in passkeys.py.

    has_mail: this server sends mail, by which a password can be set anew (forgotten.py).
    """

    def __init__(
        self,
        desk: Desk,
        passwords: Passwords,
        registration: Registration,
        addresses: ThirdPartyIds,
        two_step: TwoStep,
        *,
        has_mail: bool,
    ) -> None:
        self._desk = desk
        self._addresses = addresses
        self._passwords = passwords
        self._registration = registration
        self._two_step = two_step
        self._has_mail = has_mail

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            page("GET", SIGN_IN, self.ask),
            page("POST", SIGN_IN, self.sign_in, "login"),
            page("GET", CODE, self.ask_code),
            page("POST", CODE, self.take_code, "login"),
            page("GET", SIGN_UP, self.ask_sign_up),
            page("POST", SIGN_UP, self.sign_up, "register"),
            page("POST", _SIGN_OUT, self.sign_out, "login"),
        ]

    # --- password ---

    async def ask(self, request: Request) -> Response:
        visitor = await self._desk.visitors.visit(request)
        is_again, is_other = (request.query.get(name) is not None for name in ("again", "switch"))
        if visitor.user_id is not None and not (is_again or is_other):
            return self._desk.go(visitor, following(request))
        user = visitor.user_id if is_again else None
        return await self._form(request, visitor, user or request.query.get("hint") or "")

    async def _form(self, request: Request, visitor: Visitor, user: str, wrong: str = "") -> Response:
        say = self._desk.say
        again = "_again" if request.query.get("again") is not None and visitor.user_id is not None else ""
        title = say(visitor, f"sign_in{again}")
        done = request.query.get("done") == "password_changed" and not wrong
        body = (
            markup.heading(title),
            markup.notice(say(visitor, "password_changed")) if done else "",
            markup.paragraph(say(visitor, f"sign_in{again}_lead"), "lead"),
            self._by_password(visitor, user, wrong),
            self._passkey(request, visitor),
            self._forgotten(request, visitor),
            "" if again else await self._new_here(request, visitor),
        )
        return self._desk.show(visitor, title, *body, status=403 if wrong else 200)

    def _by_password(self, visitor: Visitor, user: str, wrong: str) -> str:
        say = self._desk.say
        return markup.form(
            visitor.here,
            visitor.csrf,
            markup.field(
                "user",
                say(visitor, "user_name"),
                value=user[:255],
                autocomplete="username webauthn",
                is_first=not user,
                autocapitalize="none",
                spellcheck="false",
            ),
            markup.field(
                "password",
                say(visitor, "password"),
                kind="password",
                autocomplete="current-password",
                error=say(visitor, wrong) if wrong else "",
                is_first=bool(user),
            ),
            markup.buttons(markup.button(say(visitor, "sign_in"))),
        )

    def _forgotten(self, request: Request, visitor: Visitor) -> str:
        if not self._has_mail:
            return ""
        forgot = markup.link(sign_in_path(following(request), FORGOT), self._desk.say(visitor, "forgot"))
        return f'<p class="ends">{forgot}</p>'

    async def _new_here(self, request: Request, visitor: Visitor) -> str:
        if await self._registration.gate() == "closed":
            return ""
        up = markup.link(sign_in_path(following(request), SIGN_UP), self._desk.say(visitor, "make_account"))
        return f'<p class="ends">{self._desk.say(visitor, "no_account")} {up}</p>'

    def _passkey(self, request: Request, visitor: Visitor) -> str:
        say = self._desk.say
        return markup.form(
            sign_in_path(following(request), PASSKEY_SIGN_IN),
            visitor.csrf,
            f'<p class="or">{say(visitor, "or")}</p>',
            f'<p class="alert" role="alert" hidden>{say(visitor, "passkey_failed")}</p>',
            markup.buttons(markup.button(say(visitor, "with_passkey"), kind="quiet")),
            fields={"credential": ""},
            data_passkey="show",
            data_ask=ASK_SIGN_IN,
            hidden="",
        )

    async def sign_in(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        typed, password = form.get("user") or "", form.get("password") or ""
        try:
            user = await self._passwords.prove(await self._whom(typed.strip()), password)
        except Refusal as refusal:
            if refusal.errcode not in _OF_PASSWORD:
                raise
            return await self._form(request, visitor, typed, _OF_PASSWORD[refusal.errcode])
        if user.locked:
            return await self._form(request, visitor, typed, "locked")
        needs_code = await self._two_step.is_on(user.user_id)
        proven = user.password_hash
        signed_in = await self._desk.visitors.sign_in(visitor, user.user_id, needs_code=needs_code, proven_hash=proven)
        await self._passwords.renew(user, password)
        path = sign_in_path(following(request), CODE) if needs_code else following(request)
        return self._desk.go(signed_in, path)

    async def _whom(self, typed: str) -> Named:
        """By user name, user id or mail address."""
        if "@" in typed[1:]:
            return await named_by_address(self._addresses, "email", typed)
        return named_by_id(usernames.known_user_id(typed, self._desk.place.server_name))

    # --- the second factor ---

    async def ask_code(self, request: Request) -> Response:
        visitor = await self._desk.visitors.visit(request)
        if visitor.browser is None or not visitor.browser.needs_code:
            return self._desk.go(visitor, sign_in_path(following(request)))
        return self._code_form(visitor)

    def _code_form(self, visitor: Visitor, wrong: str = "") -> Response:
        say = self._desk.say
        title = say(visitor, "code_title")
        field = markup.field(
            "code",
            say(visitor, "code"),
            hint=say(visitor, "code_hint"),
            error=say(visitor, wrong) if wrong else "",
            is_first=True,
            autocomplete="one-time-code",
            autocapitalize="none",
            spellcheck="false",
            maxlength="40",
            css="code",
        )
        asked = markup.form(visitor.here, visitor.csrf, field, markup.buttons(markup.button(say(visitor, "go_on"))))
        lead = markup.paragraph(say(visitor, "code_lead"), "lead")
        return self._desk.show(visitor, title, markup.heading(title), lead, asked, status=403 if wrong else 200)

    async def take_code(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        if visitor.browser is None or not visitor.browser.needs_code:
            return self._desk.go(visitor, sign_in_path(following(request)))
        user_id = visitor.browser.user_id
        if not await self._two_step.takes(user_id, form.get("code") or ""):
            return self._code_form(visitor, "code_wrong")
        return self._desk.go(await self._desk.visitors.pass_code(visitor, user_id), following(request))

    # --- new people ---

    async def ask_sign_up(self, request: Request) -> Response:
        return await self._sign_up_form(request, await self._desk.visitors.visit(request))

    async def _sign_up_form(
        self, request: Request, visitor: Visitor, user: str = "", wrong: tuple[str, str] | None = None
    ) -> Response:
        gate = await self._registration.gate()
        if gate == "closed":
            raise Problem(403, "closed")
        say = self._desk.say
        errors = {} if wrong is None else {wrong[0]: say(visitor, wrong[1])}
        title = say(visitor, "sign_up")
        fields = [
            markup.field(
                "user",
                say(visitor, "user_name"),
                hint=say(visitor, "user_name_hint"),
                error=errors.get("user", ""),
                value=user[:255],
                autocomplete="username",
                autocapitalize="none",
                spellcheck="false",
                is_first=wrong is None,
            ),
            *self._new_password(visitor, errors),
        ]
        if gate == "token":
            label, hint = say(visitor, "token"), say(visitor, "token_hint")
            fields.append(markup.field("token", label, hint=hint, error=errors.get("token", ""), autocomplete="off"))
        made = markup.buttons(markup.button(say(visitor, "make_account")))
        back = markup.link(sign_in_path(following(request)), say(visitor, "sign_in"))
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "sign_up_lead"), "lead"),
            markup.form(visitor.here, visitor.csrf, *fields, made),
            f'<p class="ends">{say(visitor, "have_account")} {back}</p>',
        )
        return self._desk.show(visitor, title, *body, status=400 if wrong else 200)

    def _new_password(self, visitor: Visitor, errors: dict[str, str]) -> list[str]:
        return new_password(self._desk, visitor, errors, "password")

    async def sign_up(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        user, password = (form.get("user") or "").strip(), form.get("password") or ""
        if password != form.get("repeat"):
            return await self._sign_up_form(request, visitor, user, ("repeat", "not_the_same"))
        try:
            user_id = await self._registration.make(user, password, form.get("token"))
        except Refusal as refusal:
            if refusal.errcode not in _OF_SIGN_UP:
                raise
            return await self._sign_up_form(request, visitor, user, _OF_SIGN_UP[refusal.errcode])
        return self._desk.go(await self._desk.visitors.sign_in(visitor, user_id), following(request))

    async def sign_out(self, request: Request) -> Response:
        visitor, _ = await self._desk.visitors.form(request)
        return self._desk.go(await self._desk.visitors.sign_out(visitor), sign_in_path(following(request)))


def new_password(desk: Desk, visitor: Visitor, errors: dict[str, str], label: str) -> list[str]:
    """The two fields for a password that is new."""
    least = str(limits.PASSWORD_CHARACTERS_MIN)
    return [
        markup.field(
            "password",
            desk.say(visitor, label),
            kind="password",
            hint=desk.say(visitor, "password_hint", least=least),
            error=errors.get("password", ""),
            autocomplete="new-password",
            minlength=least,
        ),
        markup.field(
            "repeat",
            desk.say(visitor, "repeat"),
            kind="password",
            error=errors.get("repeat", ""),
            autocomplete="new-password",
        ),
    ]
