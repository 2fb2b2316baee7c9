"""GET / (the start page) · GET /assets/{file_name} (its files) · GET /start.json (what it shows live)

For a person who opened the server's address in a browser. The page loads without the database and without any other
host; what changes comes by /start.json. Demo passwords are shown only to a browser on the server's own computer, and
never to the scripts of other sites: not with an Origin header, not in a frame, not under a strange host name.
"""

import json
import re
import time
from asyncio import Lock
from collections.abc import Callable, Mapping, Sequence
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bongsu import __version__, demo_accounts
from bongsu.config import Settings
from bongsu.core import ids
from bongsu.core.json import encode
from bongsu.core.tiers import Tier
from bongsu.demo_accounts import DemoAccount
from bongsu.http import page
from bongsu.http.page import Assets
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route
from bongsu.site.health import Health
from bongsu.site.texts import CLIENTS, REASONS, TEXTS, Client
from bongsu.store.database import Database
from bongsu.store.feed import Feed

_PAGES: Final = Path(__file__).parent / "pages"
_STATUS_SECONDS: Final = 1.0  # a status is shared for so long: many open pages ask the database no more than one
_HOST: Final = re.compile(r"(?:[0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_WORDS: Final = {  # what the script says: the attribute it reads it from, and the text's key
    "heading": "heading",
    "heading-gone": "heading_gone",
    "well": "state_well",
    "well-why": "state_well_why",
    "trouble": "state_trouble",
    "trouble-why": "state_trouble_why",
    "gone": "state_gone",
    "gone-never": "state_gone_never",
    "gone-why": "state_gone_why",
    "database-silent": "database_silent",
    "copy": "copy",
    "copied": "copied",
    "copy-failed": "copy_failed",
}


class Status(msgspec.Struct):
    """What the page shows live. Times are milliseconds since the epoch.

    reason: why the server is not ready; database_ms: how long the database took to answer; position: the newest one
    this worker shows, counting every write of the whole server; parked: readers that wait for news on this worker.
    """

    name: str
    version: str
    server_name: str
    ready: bool
    reason: str | None
    database_ms: float | None
    position: int
    parked: int | None
    started_ms: int
    now_ms: int


class FrontPage:
    """parked: how many readers wait for news on this worker, if that is counted."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        settings: Settings,
        now_ms: Callable[[], int],
        parked: Callable[[], int] | None = None,
    ) -> None:
        self._health = Health(database, feed, lambda: None)
        self._feed = feed
        self._settings = settings
        self._now_ms = now_ms
        self._parked = parked
        self._started_ms = now_ms()
        self._assets = Assets(_PAGES, "/assets")
        self._template = page.template(_PAGES / "start.html")
        self._asking = Lock()
        self._status: tuple[float, bytes] = (float("-inf"), b"")

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/", self.page, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/assets/{file_name}", self._assets.serve, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/start.json", self.status, Auth.NONE, tier=Tier.RUNNING),
        ]

    # --- handlers ---

    async def page(self, request: Request) -> Response:
        language = page.language_of(request)
        accounts = demo_accounts.read(self._settings.data)
        secret = bool(accounts) and self._may_show_passwords(request)
        body = self._template.substitute(self._fields(language, request, accounts, secret)).encode()
        headers = {
            "cache-control": "no-store" if secret else "no-cache",
            "content-language": language,
            "vary": "accept-language, origin",
        }
        return page.answer(request, body, page.HTML, page.tag_of(body), headers)

    async def status(self, _: Request) -> Response:
        async with self._asking:
            made, body = self._status
            if time.monotonic() - made > _STATUS_SECONDS:
                body = encode(await self._look())
                self._status = time.monotonic(), body
        return Response(body, headers={"cache-control": "no-store", **page.HEADERS})

    async def _look(self) -> Status:
        started = time.perf_counter()
        reason = await self._health.why_not_ready()
        took_ms = round((time.perf_counter() - started) * 1000, 2)
        return Status(
            name="Bongsu",
            version=__version__,
            server_name=self._settings.server_name,
            ready=reason is None,
            reason=reason,
            database_ms=took_ms if reason is None else None,
            position=self._feed.pos,
            parked=None if self._parked is None else self._parked(),
            started_ms=self._started_ms,
            now_ms=self._now_ms(),
        )

    def _may_show_passwords(self, request: Request) -> bool:
        """Only where the server listens to this computer alone, and the page itself was asked for, here."""
        settings = self._settings
        if settings.public_base_url is not None or not _is_here(settings.host) or not _is_here(request.client):
            return False
        if any(request.header(name) for name in ("origin", "forwarded", "x-forwarded-for", "x-forwarded-host", "via")):
            return False
        return _is_here(urlsplit(f"//{_host(request)}").hostname or "")

    # --- the page ---

    def _fields(self, language: str, request: Request, accounts: Sequence[DemoAccount], secret: bool) -> dict[str, str]:
        """What the template names. Everything but our own markup is escaped here."""
        texts = TEXTS[language]
        base_url = self._settings.public_base_url or _base_url(request, self._settings.server_name)
        plain = {
            **texts,
            "lang": language,
            "server_name": self._settings.server_name,
            "title": texts["title"].format(server_name=self._settings.server_name),
            "base_url": base_url,
            "version_number": __version__,
            **self._assets.links(),
        }
        user_id = accounts[0].user_id if accounts else f"@name:{self._settings.server_name}"
        return {
            **{name: escape(text) for name, text in plain.items()},
            "languages": page.languages(language, texts["language"]),
            "hint": _hint(texts, base_url, listens_beyond=not _is_here(self._settings.host)),
            "clients": "".join(
                _client(client, base_url, user_id, is_open=number == 0)
                for number, client in enumerate(CLIENTS[language])
            ),
            "people": self._accounts(language, accounts, secret),
            "words": _words(language, live_address=self._settings.public_base_url is None),
        }

    def _accounts(self, language: str, accounts: Sequence[DemoAccount], secret: bool) -> str:
        """Whom to sign in as: the demo's people where there are any, else how to get an account."""
        texts = TEXTS[language]
        if not accounts:
            return _section("account", texts["account"], self._how_to_get_one(texts))
        hidden = "" if secret else f'<p class="hint">{escape(texts["people_hidden"])}</p>'
        cards = "".join(_person(texts, language, account, secret) for account in accounts)
        lead = f"<p>{escape(texts['people_lead'])}</p>"
        return _section("people", texts["people"], f'{lead}{hidden}<ul class="persons">{cards}</ul>')

    def _how_to_get_one(self, texts: Mapping[str, str]) -> str:
        if self._settings.open_registration:
            return f"<p>{escape(texts['account_open'])}</p>"
        return f'<p>{escape(texts["account_closed"])} <code lang="en">bongsu user add NAME</code></p>'


# --- markup ---


def _section(name: str, title: str, inside: str) -> str:
    return (
        f'<section class="card accounts" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{inside}</section>'
    )


def _person(texts: Mapping[str, str], language: str, account: DemoAccount, secret: bool) -> str:
    localpart = ids.split(account.user_id)[0]
    rows = f"<dt>{escape(texts['user_name'])}</dt><dd>{escape(localpart)}</dd>"
    button = ""
    if secret:
        place = f"password-{escape(localpart)}"
        rows += f'<dt>{escape(texts["password"])}</dt><dd id="{place}">{escape(account.password)}</dd>'
        label = escape(texts["copy_password"].format(name=account.name))
        button = f'<button type="button" data-copy="{place}" aria-label="{label}">{escape(texts["copy"])}</button>'
    spoken = "en" if account.name.isascii() else "ko"
    return (
        f'<li><strong lang="{spoken}">{escape(account.name)}</strong>'
        f' <span class="about">{escape(account.about.get(language, ""))}</span>'
        f'<div class="person"><dl>{rows}</dl>{button}</div></li>'
    )


def _client(client: Client, base_url: str, user_id: str, *, is_open: bool) -> str:
    values = {"address": f"<code>{escape(base_url)}</code>", "user": f"<code>{escape(user_id)}</code>"}
    steps = "".join(f"<li>{escape(step, quote=False).format_map(values)}</li>" for step in client.steps)
    site = urlsplit(client.link).hostname
    title = f"<strong>{escape(client.name)}</strong> <span>{escape(client.where)}</span>"
    caution = f'<p class="hint">{escape(client.caution)}</p>' if client.caution else ""
    return (
        f'<details name="client"{" open" if is_open else ""}><summary>{title}</summary><ol>{steps}</ol>{caution}'
        f'<p class="get"><a href="{escape(client.link)}" rel="noreferrer">{site}</a></p></details>'
    )


def _hint(texts: Mapping[str, str], base_url: str, *, listens_beyond: bool) -> str:
    """What stands in the way of other devices, if anything does."""
    parts = urlsplit(base_url)
    if parts.scheme == "https":
        return ""
    key = "not_encrypted"
    if _is_here(parts.hostname or ""):
        key = "here_under_another_name" if listens_beyond else "here_only"
    return f'<p class="hint" id="hint">{escape(texts[key])}</p>'


def _words(language: str, *, live_address: bool) -> str:
    """The script's texts as attributes. live_address: the browser knows best under which address it came."""
    values = {name: TEXTS[language][key] for name, key in _WORDS.items()}
    values["reasons"] = json.dumps(REASONS[language], ensure_ascii=False)
    values["live-address"] = str(live_address).lower()
    return " ".join(f'data-{name}="{escape(value)}"' for name, value in values.items())


# --- the request ---


def _host(request: Request) -> str:
    """The Host header, if it is one; it is shown on the page."""
    host = request.header("host") or ""
    return host if _HOST.fullmatch(host) else ""


def _base_url(request: Request, server_name: str) -> str:
    is_encrypted = request.header("x-forwarded-proto") == "https"
    return f"{'https' if is_encrypted else 'http'}://{_host(request) or server_name}"


def _is_here(host: str) -> bool:
    """Does this name or address mean the computer it is used on?"""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
