"""Two-step sign-in: six digits from an authenticator app (TOTP, RFC 6238), or a recovery code.

GET  /account/two-step
POST /account/two-step
POST /account/two-step/off
"""

import io
import re
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import pyotp

from bongsu.core import limits
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.signin import markup
from bongsu.signin.desk import Desk
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.visitor import Visitor
from bongsu.store.factors import Factors

CODE: Final = f"{ACCOUNT}/code"
PAGE: Final = f"{ACCOUNT}/two-step"
_STEP_SECONDS: Final = 30
_SECRET: Final = re.compile(r"[A-Z2-7]{32}")
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


class TwoStep:
    """takes() for signing in, and the page where it is turned on and off."""

    def __init__(self, desk: Desk, table: Factors, limiter: RateLimiter, now: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._table = table
        self._limiter = limiter
        self._now = now

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            page("GET", PAGE, self.show),
            page("POST", PAGE, self.turn_on, "login"),
            page("POST", f"{PAGE}/off", self.turn_off, "login"),
        ]

    async def is_on(self, user_id: str) -> bool:
        return await self._table.has_codes(user_id)

    async def takes(self, user_id: str, typed: str) -> bool:
        """Is it a code of the person's that was not used before? It is used up by this. 429 for too many tries."""
        await self._limiter.spend_for("code", user_id)
        code = re.sub(r"[\s-]", "", typed).upper()
        if len(code) != 6 or not code.isdigit():
            return await self._table.use_recovery_code(user_id, _hash(user_id, code))
        secret = await self._table.code_secret(user_id)
        step = None if secret is None else self._step(secret, code)
        return step is not None and await self._table.use_step(user_id, step)

    def _step(self, secret: str, code: str) -> int | None:
        """The half-minute that a code belongs to: this one, the one before or the next, as clocks differ."""
        now = int(self._now()) // _STEP_SECONDS
        totp = pyotp.TOTP(secret, interval=_STEP_SECONDS)
        fits = (step for step in (now, now - 1, now + 1) if pyotp.utils.strings_equal(totp.generate_otp(step), code))
        return next(fits, None)

    # --- the page ---

    async def show(self, request: Request) -> Response:
        visitor = await self._desk.member(request, fresh=True)
        assert visitor.user_id is not None
        if await self.is_on(visitor.user_id) and request.query.get("again") is None:
            return await self._state(visitor, visitor.user_id)
        return self._form(visitor, visitor.user_id, pyotp.random_base32())

    async def _state(self, visitor: Visitor, user_id: str) -> Response:
        say = self._desk.say
        left = await self._table.recovery_codes_left(user_id)
        title = say(visitor, "two_step")
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "two_step_on", left=str(left))),
            markup.buttons(markup.link(f"{PAGE}?again=yes", say(visitor, "two_step_again"), "button quiet")),
            markup.form(
                f"{PAGE}/off",
                visitor.csrf,
                markup.buttons(markup.button(say(visitor, "two_step_stop"), kind="grave")),
            ),
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body)

    def _form(self, visitor: Visitor, user_id: str, secret: str, wrong: str = "") -> Response:
        say = self._desk.say
        title = say(visitor, "two_step")
        grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
        field = markup.field(
            "code",
            say(visitor, "code"),
            error=say(visitor, wrong) if wrong else "",
            autocomplete="one-time-code",
            inputmode="numeric",
            maxlength="8",
            css="code",
        )
        start = markup.buttons(markup.button(say(visitor, "two_step_start")))
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "two_step_lead"), "lead"),
            f'<div class="qr">{self._picture(user_id, secret)}</div>',
            f'<p class="secret"><span class="unseen">{say(visitor, "two_step_key")}: </span>{grouped}</p>',
            markup.form(PAGE, visitor.csrf, field, start, fields={"secret": secret}),
            markup.paragraph(say(visitor, "two_step_note"), "hint ends"),
            f'<p class="ends">{markup.link(ACCOUNT, say(visitor, "back"))}</p>',
        )
        return self._desk.show(visitor, title, *body, status=403 if wrong else 200)

    def _picture(self, user_id: str, secret: str) -> str:
        """Of what an authenticator app reads. It says no more than the key below it."""
        import segno  # here, because few ever set this up

        name = self._desk.place.server_name
        uri = pyotp.TOTP(secret).provisioning_uri(name=user_id, issuer_name=name)
        out = io.BytesIO()
        segno.make(uri, error="m").save(
            out, kind="svg", scale=4, border=0, xmldecl=False, svgns=True, omitsize=True, svgclass="", lineclass=""
        )
        return out.getvalue().decode().replace("<svg", '<svg role="img" aria-label="QR"', 1)

    async def turn_on(self, request: Request) -> Response:
        visitor, form = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        secret = form.get("secret") or ""
        if not _SECRET.fullmatch(secret):
            return self._form(visitor, visitor.user_id, pyotp.random_base32(), "code_wrong")
        step = self._step(secret, re.sub(r"\s", "", form.get("code") or ""))
        if step is None:
            return self._form(visitor, visitor.user_id, secret, "code_wrong")
        codes = ["".join(secrets.choice(_LETTERS) for _ in range(12)) for _ in range(limits.RECOVERY_CODES)]
        await self._table.set_codes(visitor.user_id, secret, step, [_hash(visitor.user_id, code) for code in codes])
        return self._codes(visitor, codes)

    def _codes(self, visitor: Visitor, codes: list[str]) -> Response:
        title = self._desk.say(visitor, "codes_title")
        shown = "".join(f"<li>{code[:4]}-{code[4:8]}-{code[8:]}</li>" for code in codes)
        body = (
            markup.heading(title),
            markup.paragraph(self._desk.say(visitor, "codes_lead"), "lead"),
            f'<ul class="codes">{shown}</ul>',
            markup.buttons(markup.link(PAGE, self._desk.say(visitor, "kept_them"), "button")),
        )
        return self._desk.show(visitor, title, *body)

    async def turn_off(self, request: Request) -> Response:
        visitor, _ = await self._desk.member_form(request, fresh=True)
        assert visitor.user_id is not None
        await self._table.remove_codes(visitor.user_id)
        return self._desk.go(visitor, f"{ACCOUNT}?done=two_step_stopped")


def _hash(user_id: str, code: str) -> bytes:
    """Recovery codes have 59 random bits: with the person in it, one SHA-256 is enough."""
    return sha256(f"{user_id} {code}".encode()).digest()
