"""Who stands at the account's pages: a browser, known by its cookie.

The cookie is a secret of 256 bits; the table has its hash. Every form carries a word made from the cookie, which other
sites can neither read nor make. Whoever signs in gets another cookie.
"""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import msgspec

from bongsu.core import base64url, limits
from bongsu.core.errors import forbidden
from bongsu.http.authentication import token_hash
from bongsu.http.form import read_form
from bongsu.http.page import LANGUAGES, language_of
from bongsu.http.request import Query, Request
from bongsu.store.browsers import Browser, Browsers, NewBrowser

_NAME: Final = "bongsu_account"
_LANGUAGE: Final = "bongsu_language"
_YEAR_SECONDS: Final = 31_536_000


class Visitor(msgspec.Struct, frozen=True):
    """token: of the cookie, which is new where `cookie` says how to set it. browser: None for nobody known.

    here: the page that was asked for, as a path with its query.
    """

    token: str
    cookie: str | None
    language: str
    here: str
    browser: Browser | None

    @property
    def user_id(self) -> str | None:
        """Who is signed in, all factors given."""
        return None if self.browser is None or self.browser.needs_code else self.browser.user_id

    @property
    def csrf(self) -> str:
        return base64url.encode(hmac.digest(self.token.encode(), b"form", sha256))

    @property
    def session_hash(self) -> bytes:
        return token_hash(self.token)


class Visitors:
    """Knows browsers by their cookies, signs them in and out."""

    def __init__(self, table: Browsers, *, is_https: bool) -> None:
        self._table = table
        self._is_https = is_https
        self._name = f"__Host-{_NAME}" if is_https else _NAME

    async def visit(self, request: Request) -> Visitor:
        token = cookie_of(request, self._name)
        language = _language(request)
        here = here_of(request)
        if token is None or len(token) > limits.TOKEN_BYTES_MAX:
            return self._stranger(language, here)
        return Visitor(token, None, language, here, await self._table.find(token_hash(token)))

    def nobody(self, request: Request) -> Visitor:
        """For pages that say that nobody can be known at the moment."""
        return Visitor("", None, _language(request), here_of(request), None)

    async def form(self, request: Request) -> tuple[Visitor, Query]:
        """What was sent by a form of ours. 403 for what another site sent in this browser's name."""
        visitor = await self.visit(request)
        form = await read_form(request)
        is_ours = hmac.compare_digest((form.get("csrf") or "").encode(), visitor.csrf.encode())
        if not is_ours or request.header("sec-fetch-site") == "cross-site":
            raise forbidden("form_is_old")
        return visitor, form

    async def sign_in(
        self,
        visitor: Visitor,
        user_id: str,
        *,
        needs_code: bool = False,
        proven_hash: str | None = None,
        proven_at: datetime | None = None,
    ) -> Visitor:
        """A session of its own, with a new cookie; the one before ends. proven_hash, proven_at: see NewBrowser."""
        stranger = self._stranger(visitor.language, visitor.here)
        new = NewBrowser(
            session_hash=stranger.session_hash,
            user_id=user_id,
            needs_code=needs_code,
            proven_hash=proven_hash,
            proven_at=proven_at,
        )
        await self._table.sign_in(new, visitor.session_hash)
        return await self._known(stranger)

    async def pass_code(self, visitor: Visitor, user_id: str) -> Visitor:
        """As sign_in(), for somebody who had given the password and now gave the second factor. 403 if that is over."""
        stranger = self._stranger(visitor.language, visitor.here)
        new = NewBrowser(session_hash=stranger.session_hash, user_id=user_id)
        await self._table.pass_code(new, visitor.session_hash)
        return await self._known(stranger)

    async def _known(self, stranger: Visitor) -> Visitor:
        return msgspec.structs.replace(stranger, browser=await self._table.find(stranger.session_hash))

    async def sign_out(self, visitor: Visitor) -> Visitor:
        await self._table.sign_out(visitor.session_hash)
        return self._stranger(visitor.language, visitor.here)

    def _stranger(self, language: str, here: str) -> Visitor:
        token = secrets.token_urlsafe(32)
        return Visitor(token, self._cookie(self._name, token, limits.BROWSER_SECONDS), language, here, None)

    def speak(self, language: str) -> str:
        """The cookie that keeps a language."""
        return self._cookie(f"__Host-{_LANGUAGE}" if self._is_https else _LANGUAGE, language, _YEAR_SECONDS)

    def _cookie(self, name: str, value: str, seconds: int) -> str:
        """Lax: an app that sends somebody here, by a link, finds them signed in; a form from elsewhere does not."""
        secure = "; Secure" if self._is_https else ""
        return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def here_of(request: Request) -> str:
    """Without the language, which a cookie keeps."""
    pairs = [(name, value) for name, value in request.query.pairs() if name != "lang"]
    return f"{request.path}?{urlencode(pairs)}" if pairs else request.path


def cookie_of(request: Request, name: str) -> str | None:
    for pair in (request.header("cookie") or "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name and value.isascii():
            return value
    return None


def _language(request: Request) -> str:
    """?lang=, else the one that was chosen before, else the browser's."""
    kept = cookie_of(request, _LANGUAGE) or cookie_of(request, f"__Host-{_LANGUAGE}")
    return kept if kept in LANGUAGES and request.query.get("lang") not in LANGUAGES else language_of(request)
