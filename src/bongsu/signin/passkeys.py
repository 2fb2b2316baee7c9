"""Passkeys (WebAuthn): made on the account's page, shown instead of password and code.

POST /account/sign-in/passkey/ask · POST /account/sign-in/passkey
GET  /account/passkeys · POST /account/passkeys/ask · POST /account/passkeys · POST /account/passkeys/remove
"""

import json
from hashlib import sha256
from typing import Any, Final

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bongsu.core import ids
from bongsu.core.errors import Refusal
from bongsu.http.request import Query, Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.signin import markup
from bongsu.signin.desk import Desk, Problem, following
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.visitor import Visitor
from bongsu.store.accounts import Accounts
from bongsu.store.factors import Factors, Passkey

PAGE: Final = f"{ACCOUNT}/passkeys"
PASSKEY_SIGN_IN: Final = f"{ACCOUNT}/sign-in/passkey"
ASK_SIGN_IN: Final = f"{PASSKEY_SIGN_IN}/ask"
_REQUIRED: Final = UserVerificationRequirement.REQUIRED  # finger, face or PIN: two factors in one
_NAME_BYTES_MAX: Final = 100


class Passkeys:
    """A challenge is good once, for the browser and the purpose it was made for."""

    def __init__(self, desk: Desk, table: Factors, accounts: Accounts) -> None:
        self._desk = desk
        self._table = table
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
        options = webauthn.generate_authentication_options(
            rp_id=self._desk.place.host(request), user_verification=_REQUIRED
        )
        await self._table.put_challenge(_hash(options.challenge), _purpose("sign in", visitor))
        return _json(webauthn.options_to_json(options))

    async def sign_in(self, request: Request) -> Response:
        visitor, form = await self._desk.visitors.form(request)
        user_id = await self._shown(request, visitor, form)
        user = None if user_id is None else await self._accounts.user(user_id)
        if user is None:
            raise Problem(403, "passkey_failed")
        if user.deactivated_at is not None or user.locked:
            raise Problem(403, "deactivated" if user.deactivated_at is not None else "locked")
        return self._desk.go(await self._desk.visitors.sign_in(visitor, user.user_id), following(request))

    async def _shown(self, request: Request, visitor: Visitor, form: Query) -> str | None:
        """Whose passkey it is that was shown."""
        credential, challenge = await self._answer(form, _purpose("sign in", visitor))
        if credential is None:
            return None
        try:
            known = await self._table.passkey(base64url_to_bytes(str(credential["rawId"])))
            if known is None or not _is_of(known.user_id, credential):
                return None
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._desk.place.host(request),
                expected_origin=self._desk.place.origin(request),
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            return None
        counted = await self._table.used_passkey(known.credential_id, known.sign_count, verified.new_sign_count)
        return known.user_id if counted else None

    async def _answer(self, form: Query, purpose: str) -> tuple[dict[str, Any] | None, bytes]:
        """What the browser says, and the challenge in it, which is used up by this. (None, b"") for a bad one."""
        try:
            credential = json.loads(form.get("credential") or "")
            said = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        except (WebAuthnException, ValueError, KeyError, TypeError, RecursionError):
            return None, b""
        if not await self._table.take_challenge(_hash(said.challenge), purpose):
            return None, b""
        return credential, said.challenge

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
                f"{PAGE}/remove", visitor.csrf, remove, fields={"id": bytes_to_base64url(passkey.credential_id)}
            )
        )

    async def ask(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        known = await self._table.passkeys(visitor.user_id)
        options = webauthn.generate_registration_options(
            rp_id=self._desk.place.host(request),
            rp_name=self._desk.place.server_name,
            user_name=visitor.user_id,
            user_id=_handle(visitor.user_id),
            user_display_name=ids.split(visitor.user_id)[0],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        await self._table.put_challenge(_hash(options.challenge), _purpose("add", visitor))
        return _json(webauthn.options_to_json(options))

    async def add(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        name = (form.get("name") or "").strip() or self._desk.say(visitor, "passkeys")
        try:
            ids.check_text(name, "name", _NAME_BYTES_MAX)
            await self._keep(request, visitor, form, visitor.user_id, name)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            return await self._page(visitor, wrong="passkey_bad")
        return self._desk.go(visitor, f"{PAGE}?done=yes")

    async def _keep(self, request: Request, visitor: Visitor, form: Query, user_id: str, name: str) -> None:
        credential, challenge = await self._answer(form, _purpose("add", visitor))
        if credential is None:
            raise Refusal(400, "M_INVALID_PARAM", "passkey_bad")
        try:
            made = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._desk.place.host(request),
                expected_origin=self._desk.place.origin(request),
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            raise Refusal(400, "M_INVALID_PARAM", "passkey_bad") from None
        if len(made.credential_id) > 1_023:  # the most that WebAuthn allows
            raise Refusal(400, "M_INVALID_PARAM", "passkey_bad")
        await self._table.add_passkey(user_id, made.credential_id, made.credential_public_key, made.sign_count, name)

    async def remove(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        try:
            credential_id = base64url_to_bytes(form.get("id") or "")
        except ValueError:
            raise Problem(400, "passkey_bad") from None
        await self._table.remove_passkey(visitor.user_id, credential_id)
        return self._desk.go(visitor, PAGE)


def _hash(challenge: bytes) -> bytes:
    return sha256(challenge).digest()


def _purpose(what: str, visitor: Visitor) -> str:
    return f"{what} {visitor.session_hash.hex()}"


def _handle(user_id: str) -> bytes:
    """Who a passkey is for; an authenticator keeps it, so it names nobody."""
    return sha256(user_id.encode()).digest()


def _is_of(user_id: str, credential: dict[str, Any]) -> bool:
    handle = credential["response"].get("userHandle")
    return handle is None or base64url_to_bytes(handle) == _handle(user_id)


def _json(text: str) -> Response:
    return Response(text.encode(), headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})
