"""Proving that a mail address is one's own: a mail with a link, and a page with a button behind it.

POST /register/email/requestToken · /account/password/email/requestToken · /account/3pid/email/requestToken
POST /register/msisdn/requestToken · /account/password/msisdn/requestToken · /account/3pid/msisdn/requestToken
GET, POST /_bongsu/confirm

The answer is the same whether or not an address belongs to an account: who reads the mail is told, and nobody else. The
page changes nothing until its button is pressed, because mail scanners open every link.
"""

import secrets
from collections.abc import Collection, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from bongsu.core import limits, mail
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.tiers import Tier
from bongsu.http import page
from bongsu.http.form import read_form
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Handler, Route, client_routes
from bongsu.matrix.interactive import secret_hash
from bongsu.matrix.mail_texts import MAILS, PAGE
from bongsu.matrix.postman import Postman
from bongsu.store.third_party_ids import Mail, ThirdPartyIds, Waiting, Wish, in_use

_PAGES: Final = Path(__file__).parent / "pages"
_TEMPLATE: Final = page.template(_PAGES / "confirm.html")
_PATH: Final = "/_bongsu/confirm"
_HEADERS: Final = {
    **page.HEADERS,
    "content-security-policy": page.HEADERS["content-security-policy"].replace(
        "form-action 'none'", "form-action 'self'"
    ),
    "cache-control": "no-store",
    "vary": "accept-language",
}


class _ByMail(msgspec.Struct):
    client_secret: str
    email: str
    send_attempt: int
    next_link: str | None = None


class _ByPhone(msgspec.Struct):
    client_secret: str
    country: str
    phone_number: str
    send_attempt: int


class Wanted(msgspec.Struct, frozen=True):
    """A proof that is asked for. secret: hash of the client's. attempt: a higher one sends another mail.

    reveals: refuse at once what the mail would say, that there is such an account or none.
    """

    purpose: str
    secret: bytes
    address: str
    attempt: int
    next_link: str | None = None
    reveals: bool = False


def _token_hash(token: str) -> bytes:
    return sha256(b"mail token " + token.encode()).digest()


class Confirmations:
    """base_url: where people reach this server, which links begin with. domains: of addresses that people may
    use, none for any. link_hosts: where next_link may lead.

    reveals: say at once whether an address belongs to an account, as the protocol allows.
    """

    def __init__(
        self,
        addresses: ThirdPartyIds,
        postman: Postman,
        limiter: RateLimiter,
        *,
        server_name: str,
        base_url: str | None,
        domains: Collection[str],
        link_hosts: Collection[str],
        reveals: bool,
    ) -> None:
        self._addresses = addresses
        self._postman = postman
        self._limiter = limiter
        self._server_name = server_name
        self._base_url = base_url
        self._domains = domains
        self._link_hosts = link_hosts
        self._reveals = reveals
        self._assets = page.Assets(_PAGES, f"{_PATH}/assets")

    def routes(self) -> list[Route]:
        by_mail: dict[str, Handler] = {
            "/register/email/requestToken": self.for_registration,
            "/account/password/email/requestToken": self.for_password,
            "/account/3pid/email/requestToken": self.for_adding,
            "/register/msisdn/requestToken": self.by_phone,
            "/account/password/msisdn/requestToken": self.by_phone,
            "/account/3pid/msisdn/requestToken": self.add_phone,
        }
        asking = [
            route
            for path, handler in by_mail.items()
            for route in client_routes("POST", path, handler, Auth.NONE, "register", tier=Tier.SIGN_IN)
        ]
        return [
            *asking,
            Route("GET", _PATH, self.ask, Auth.NONE, "probe", tier=Tier.SIGN_IN),
            Route("POST", _PATH, self.confirm, Auth.NONE, "probe", tier=Tier.SIGN_IN),
            Route("GET", f"{_PATH}/assets/{{file_name}}", self._assets.serve, Auth.NONE, tier=Tier.RUNNING),
        ]

    # --- asking for a mail ---

    async def for_registration(self, request: Request) -> Response:
        return await self._begin(request, "register")

    async def for_password(self, request: Request) -> Response:
        return await self._begin(request, "password")

    async def for_adding(self, request: Request) -> Response:
        return await self._begin(request, "add")

    async def by_phone(self, request: Request) -> Response:
        await request.read(_ByPhone)
        raise Refusal(403, "M_THREEPID_DENIED", "this server sends no text messages; use a mail address")

    async def add_phone(self, request: Request) -> Response:
        await request.read(_ByPhone)
        raise Refusal(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "this server keeps no phone numbers; use a mail address")

    async def _begin(self, request: Request, purpose: str) -> Response:
        body = await request.read(_ByMail)
        secret, address = secret_hash(body.client_secret), mail.canonical(body.email)
        if not 0 <= body.send_attempt <= limits.INTEGER_MAX:
            raise invalid_param("send_attempt must be a whole number that is not negative")
        next_link = mail.allowed_link(body.next_link, self._link_hosts)
        wanted = Wanted(purpose, secret, address, body.send_attempt, next_link, self._reveals)
        return reply({"sid": await self.begin(wanted, page.language_of(request))})

    @property
    def has_mail(self) -> bool:
        return self._base_url is not None and self._postman.is_there

    async def begin(self, wanted: Wanted, language: str) -> str:
        """Sends the mail, and returns the proof's sid. Refused where no mail is sent, or none of this address's."""
        if not self.has_mail:
            raise _no_mail(wanted.purpose)
        if self._domains and wanted.address.rpartition("@")[2] not in self._domains:
            raise Refusal(403, "M_THREEPID_DENIED", "this server takes no mail address of this domain")
        await self._limiter.spend_for("mail", wanted.address)
        kind = _kind(wanted, is_owned=await self._addresses.owner(mail.EMAIL, wanted.address) is not None)
        token = secrets.token_urlsafe(32)
        wish = Wish(
            sid=secrets.token_urlsafe(24),
            purpose=wanted.purpose,
            secret_hash=wanted.secret,
            address=wanted.address,
            send_attempt=wanted.attempt,
            token_hash=_token_hash(token),
            next_link=wanted.next_link,
        )
        sid = await self._addresses.begin(wish, self._mail(wanted.address, kind, token, language))
        self._postman.hurry()
        return sid

    def _mail(self, address: str, kind: str, token: str, language: str) -> Mail:
        subject, body = MAILS[language][kind]
        words = {
            "server": self._server_name,
            "address": address,
            "minutes": limits.VALIDATION_SECONDS // 60,
            "link": f"{self._base_url}{_PATH}?token={token}&lang={language}",
        }
        return Mail(secrets.token_hex(16), address, subject.format(**words), body.format(**words))

    # --- the page behind the link ---

    async def ask(self, request: Request) -> Response:
        """Asks; a look at it changes nothing."""
        token = request.query.get("token") or ""
        waiting = await self._addresses.waiting(_token_hash(token))
        language = page.language_of(request)
        if waiting is None:
            return self._gone(language)
        return self._show(language, "ask_title", self._question(language, waiting, token), token=token)

    async def confirm(self, request: Request) -> Response:
        fields = await read_form(request)
        language = fields.get("lang") or ""
        language = language if language in page.LANGUAGES else page.language_of(request)
        hashed = _token_hash(fields.get("token") or "")
        waiting = await self._addresses.waiting(hashed)
        if waiting is None or not await self._addresses.confirm(hashed):
            return self._gone(language)
        return self._show(language, "done_title", self._done(language, waiting))

    def _question(self, language: str, waiting: Waiting, token: str) -> str:
        texts = PAGE[language]
        words = {"address": f"<strong>{escape(waiting.address)}</strong>", "server": escape(self._server_name)}
        return (
            f"<p>{texts[f'ask_{waiting.purpose}'].format(**words)}</p>"
            f'<form method="post" action="{_PATH}"><input type="hidden" name="token" value="{escape(token)}">'
            f'<input type="hidden" name="lang" value="{language}">'
            f'<button type="submit">{escape(texts["button"])}</button></form>'
            f'<p class="hint">{escape(texts["ask_again"])}</p>'
        )

    @staticmethod
    def _done(language: str, waiting: Waiting) -> str:
        texts = PAGE[language]
        said = f'<p role="status">{escape(texts["done"])}</p>'
        if waiting.next_link is not None:
            link = escape(waiting.next_link)
            said += f'<p><a class="go" rel="noreferrer" href="{link}">{escape(texts["next"])}</a></p>'
        return said

    def _gone(self, language: str) -> Response:
        said = f'<p role="alert">{escape(PAGE[language]["gone"])}</p>'
        return self._show(language, "gone_title", said, status=404)

    def _show(self, language: str, title: str, said: str, *, status: int = 200, token: str | None = None) -> Response:
        """said: HTML. token: of a page that may be shown in another language."""
        texts = PAGE[language]
        words: Mapping[str, str] = {
            **self._assets.links(),
            "lang": language,
            "languages": "" if token is None else page.languages(language, texts["language"], f"?token={quote(token)}"),
            "server": escape(self._server_name),
            "title": escape(texts[title]),
            "said": said,
        }
        headers = {**_HEADERS, "content-language": language}
        return Response(_TEMPLATE.substitute(words).encode(), status=status, content_type=page.HTML, headers=headers)


def _kind(wanted: Wanted, *, is_owned: bool) -> str:
    """Which mail is sent: one with a link, or one that says why there is none."""
    if wanted.purpose == "password":
        if not is_owned and wanted.reveals:
            raise Refusal(400, "M_THREEPID_NOT_FOUND", "no account here has this address")
        return wanted.purpose if is_owned else "unknown"
    if is_owned and wanted.reveals:
        raise in_use()
    return "taken" if is_owned else wanted.purpose


def _no_mail(purpose: str) -> Refusal:
    if purpose == "add":
        return Refusal(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "this server sends no mail")
    return Refusal(403, "M_THREEPID_DENIED", "this server sends no mail")
