"""The live page of a laboratory, for the person at this machine: the sites, who leads, how much is acknowledged.

It listens to this machine alone and answers only to its own name, and its buttons work only for its own script: a page
from elsewhere that is open in the same browser can neither read it nor press them.
"""

import asyncio
import time
import urllib.request
from collections import deque
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import msgspec
from aiohttp import web

from bongsu.lab.disks import DiskFailed
from bongsu.lab.faults import UnknownFault
from bongsu.lab.laboratory import PAGE, Lab
from bongsu.lab.network import NetworkFailed
from bongsu.lab.status import SiteStatus
from bongsu.lab.texts import LANGUAGES, TEXTS

FIRST_PORT: Final = 8070
LOOK_SECONDS: Final = 1.0
WATCHED_SECONDS: Final = 10.0  # after the last question nobody looks, and the sites are left in peace
RATES_MAX: Final = 120
ANSWER_SECONDS_MAX: Final = 1.0
ACTIONS: Final = {"burn": "power_off", "cut": "cut", "freeze": "freeze"}

_PAGES: Final = Path(__file__).parent / "pages"
_TYPES: Final = {"lab.css": "text/css", "lab.js": "text/javascript"}
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SENT: Final = ('method="PUT"', '/send/{event_type}/{txn_id}"', 'status="200"')


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class State(msgspec.Struct):
    """What the page asks for every second. rates: acknowledged messages per second, newest last."""

    sites: tuple[SiteStatus, ...] = ()
    rates: list[float] = []
    can_cut: bool = False


class Page:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._rates: deque[float] = deque(maxlen=RATES_MAX)
        self._counts: dict[str, float] = {}
        self._counted_at = 0.0
        self._watched_at = 0.0
        self._state = State(can_cut=lab.description.has_namespaces)

    async def run(self) -> None:
        """Serves until cancelled."""
        app = web.Application(middlewares=[_guard])
        app.add_routes(
            [
                web.get("/", self.page),
                web.get("/{name:lab\\.(?:css|js)}", self.asset),
                web.get("/state.json", self.state),
                web.post("/do/{action}/{site}", self.act),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await self._listen(runner)
            await self._watch()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        """On the same port each time, if it is free."""
        for port in (FIRST_PORT + self._lab.description.number, 0):
            try:
                site = web.TCPSite(runner, "127.0.0.1", port)
                await site.start()
                break
            except OSError:
                continue
        address, port = runner.addresses[0][:2]
        told = msgspec.json.encode({"url": f"http://{address}:{port}/"})
        await asyncio.to_thread((self._lab.folder / PAGE).write_bytes, told)

    # --- looking ---

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if time.monotonic() - self._watched_at < WATCHED_SECONDS:
                await asyncio.to_thread(self._look)
            else:
                self._counts = {}

    def _look(self) -> None:
        self._state.sites = self._lab.status().sites
        now, before = time.monotonic(), self._counts
        self._counts = {site: count for site in self._lab.sites if (count := _sent(self._lab.url(site))) is not None}
        if before:
            more = sum(max(0.0, count - before.get(site, count)) for site, count in self._counts.items())
            self._rates.append(more / (now - self._counted_at))
        self._counted_at = now
        self._counts = {**before, **self._counts}
        self._state.rates = [round(rate, 1) for rate in self._rates]

    # --- answering ---

    async def page(self, request: web.Request) -> web.Response:
        language = _language(request)
        texts = {name: escape(text) for name, text in TEXTS[language].items()}
        current = {f"current_{other}": ' aria-current="true"' if other == language else "" for other in LANGUAGES}
        words = " ".join(f'data-{_attribute(name)}="{text}"' for name, text in texts.items())
        template = Template((_PAGES / "lab.html").read_text(encoding="utf-8"))
        body = template.substitute(texts, lang=language, words=words, **current)
        return web.Response(text=body, content_type="text/html", charset="utf-8")

    async def asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.Response(text=(_PAGES / name).read_text("utf-8"), content_type=_TYPES[name], charset="utf-8")

    async def state(self, _: web.Request) -> web.Response:
        if time.monotonic() - self._watched_at > WATCHED_SECONDS:
            await asyncio.to_thread(self._look)
        self._watched_at = time.monotonic()
        return web.Response(body=msgspec.json.encode(self._state), content_type="application/json")

    async def act(self, request: web.Request) -> web.Response:
        if request.headers.get("x-bongsu-lab") != "1":
            raise web.HTTPForbidden(text="only the page's own script may do this")
        action, site = request.match_info["action"], request.match_info["site"]
        try:
            if action == "heal":
                await asyncio.to_thread(self._lab.heal, site)
            else:
                await asyncio.to_thread(self._lab.fault, ACTIONS.get(action, action), site)
        except UnknownFault as error:
            raise web.HTTPNotFound(text=str(error)) from None
        except (DiskFailed, NetworkFailed) as error:
            raise web.HTTPConflict(text=str(error)) from None
        return web.Response(status=204)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Another name for this address is a trick to read it from a page elsewhere."""
    if request.host.rpartition(":")[0] not in ("127.0.0.1", "localhost"):
        raise web.HTTPMisdirectedRequest(text="ask for 127.0.0.1")
    answer = await handler(request)
    answer.headers.update(_HEADERS)
    return answer


def _attribute(name: str) -> str:
    """role_leader stays a name with an underscore in the script: roles are looked up by it."""
    return name if name.startswith(("role_", "fault_")) else name.replace("_", "-")


def _language(request: web.Request) -> str:
    asked = request.query.get("lang")
    if asked in LANGUAGES:
        return asked
    return "ko" if request.headers.get("accept-language", "").lower().startswith("ko") else "en"


def _sent(url: str) -> float | None:
    """Messages that a site's worker has acknowledged since it started; None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310
            return sent(answer.read().decode())
    except (OSError, ValueError):
        return None


def sent(metrics: str) -> float:
    """Acknowledged messages, in what a worker says of itself."""
    counted = (line for line in metrics.splitlines() if line.startswith("bongsu_http_requests_total{"))
    return sum(float(line.rpartition(" ")[2]) for line in counted if all(part in line for part in _SENT))
