"""What all pages of the account share: how they are shown, and what happens to somebody who may not see one."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

from bongsu.core.errors import Refusal
from bongsu.core.tiers import Tier
from bongsu.http import page
from bongsu.http.page import LANGUAGES, Assets
from bongsu.http.place import Place
from bongsu.http.request import Query, Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Handler, Route
from bongsu.signin import markup
from bongsu.signin.paths import ACCOUNT, page_or_none
from bongsu.signin.texts import TEXTS
from bongsu.signin.visitor import Visitor, Visitors, here_of

SIGN_IN: Final = f"{ACCOUNT}/sign-in"
SIGN_UP: Final = f"{ACCOUNT}/sign-up"
FORGOT: Final = f"{ACCOUNT}/forgot"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'self'{targets}; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


class Away(Exception):
    """Somebody has to go to another page first."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Problem(Exception):
    """A page that says what is wrong. key: of the text."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status = status
        self.key = key


class Desk:
    """Shows pages, knows visitors, sends people on."""

    def __init__(self, visitors: Visitors, place: Place) -> None:
        self.visitors = visitors
        self.place = place
        self._assets = Assets(markup.PAGES, f"{ACCOUNT}/assets")

    def routes(self) -> list[Route]:
        return [Route("GET", f"{ACCOUNT}/assets/{{file_name}}", self._assets.serve, Auth.NONE, tier=Tier.SIGN_IN)]

    def page(self, method: str, path: str, handler: Handler, bucket: str = "read") -> Route:
        """A route whose errors are pages, too. bucket: of the address that asks, signed in or not."""
        return Route(method, path, self.guarded(handler), Auth.NONE, bucket, Tier.SIGN_IN)

    def guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Handler:
        """Errors of the handler as pages."""

        async def guarded(request: Request) -> Response:
            asked = request.query.get("lang")
            if request.method == "GET" and asked in LANGUAGES:
                return _redirect(here_of(request), self.visitors.speak(asked))
            try:
                return await handler(request)
            except Away as away:
                return _redirect(away.path, None)
            except Problem as problem:
                return await self._trouble(request, problem.status, problem.key)
            except Refusal as refusal:
                key = "too_many" if refusal.status == 429 else refusal.message
                return await self._trouble(request, refusal.status, key if key in TEXTS["en"] else "unavailable")

        return guarded

    async def _trouble(self, request: Request, status: int, key: str) -> Response:
        """Also when nobody can be known, because the database is away."""
        try:
            visitor = await self.visitors.visit(request)
        except Refusal:
            visitor = self.visitors.nobody(request)
        title = self.say(visitor, "failed")
        body = (markup.heading(title), markup.paragraph(self.say(visitor, key)))
        return self.show(visitor, title, *body, status=status)

    # --- showing ---

    def say(self, visitor: Visitor, key: str, **words: str) -> str:
        return TEXTS[visitor.language][key].format(server_name=self.place.server_name, **words)

    def show(self, visitor: Visitor, title: str, *body: str, status: int = 200, target: str | None = None) -> Response:
        """body: markup. target: an address elsewhere that a form on this page leads to."""
        words = {"lang": visitor.language, "title": title, "server_name": self.place.server_name}
        languages = page.languages(visitor.language, self.say(visitor, "language"), visitor.here)
        made = markup.whole({**words, **self._assets.links()}, languages, "\n".join(body))
        policy = _POLICY.format(targets="" if target is None else f" {_source(target)}")
        headers = {**_HEADERS, "content-security-policy": policy, "content-language": visitor.language}
        if visitor.cookie is not None:
            headers["set-cookie"] = visitor.cookie
        return Response(made, status=status, content_type=page.HTML, headers=headers)

    def go(self, visitor: Visitor, path: str) -> Response:
        return _redirect(path, visitor.cookie)

    # --- who may be here ---

    async def member(self, request: Request, *, fresh: bool = False) -> Visitor:
        """Somebody who is signed in; others sign in and come back. fresh: and proved it some minutes ago at most."""
        return self._admit(await self.visitors.visit(request), fresh)

    async def member_form(self, request: Request, *, fresh: bool = False) -> tuple[Visitor, Query]:
        visitor, form = await self.visitors.form(request)
        return self._admit(visitor, fresh), form

    @staticmethod
    def _admit(visitor: Visitor, fresh: bool) -> Visitor:
        if visitor.user_id is None:
            raise Away(sign_in_path(visitor.here))
        if fresh and (visitor.browser is None or not visitor.browser.is_fresh):
            raise Away(sign_in_path(visitor.here, again="yes"))
        return visitor


def sign_in_path(following: str, page: str = SIGN_IN, **more: str) -> str:
    return f"{page}?{urlencode({**more, 'next': following})}"


def following(request: Request) -> str:
    """Where somebody goes who has signed in."""
    return page_or_none(request.query.get("next")) or ACCOUNT


def _redirect(path: str, cookie: str | None) -> Response:
    headers = {"location": path, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(status=303, headers={**headers, **({} if cookie is None else {"set-cookie": cookie})})


def _source(target: str) -> str:
    """An address as the policy names it. IPv6 addresses have no name there, but for their scheme."""
    parts = urlsplit(target)
    is_named = parts.scheme in ("http", "https") and "[" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if is_named else f"{parts.scheme}:"
