"""Single sign-on for apps that know no OAuth 2.0: they get a login token, once somebody said yes on a page.

GET  /login/sso/redirect · GET /login/sso/redirect/{idp_id}
GET, POST /account/sso
"""

from typing import Final
from urllib.parse import urlencode, urlsplit

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.tiers import Tier
from bongsu.http.place import with_pairs
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route, client_routes
from bongsu.matrix.login import PROVIDER
from bongsu.matrix.sessions import Sessions
from bongsu.signin import markup
from bongsu.signin.desk import SIGN_UP, Away, Desk, Problem, sign_in_path
from bongsu.signin.paths import ACCOUNT
from bongsu.signin.texts import TEXTS
from bongsu.signin.visitor import Visitor

_PAGE: Final = f"{ACCOUNT}/sso"
_PATH: Final = "/login/sso/redirect"
_NEVER: Final = frozenset(  # schemes that run or read something in the browser itself
    (
        "javascript",
        "data",
        "vbscript",
        "blob",
        "file",
        "filesystem",
        "about",
        "view-source",
        "ws",
        "wss",
        "ftp",
        "mailto",
    )
)


class Sso:
    """The token goes where the person saw it would go."""

    def __init__(self, desk: Desk, sessions: Sessions) -> None:
        self._desk = desk
        self._sessions = sessions
        self._begin_page = desk.guarded(self._begin)

    def routes(self) -> list[Route]:
        page = self._desk.page
        return [
            *client_routes("GET", _PATH, self.begin, Auth.NONE, tier=Tier.SIGN_IN),
            *client_routes("GET", f"{_PATH}/{{idp_id}}", self.begin, Auth.NONE, tier=Tier.SIGN_IN),
            page("GET", _PAGE, self.ask),
            page("POST", _PAGE, self.confirm, "login"),
        ]

    async def begin(self, request: Request) -> Response:
        """Browsers are told on a page what is wrong with the address; programs, as the protocol tells them."""
        if "text/html" in (request.header("accept") or ""):
            return await self._begin_page(request)
        try:
            return await self._begin(request)
        except Problem as problem:
            errcode = "M_NOT_FOUND" if problem.status == 404 else "M_INVALID_PARAM"
            raise Refusal(problem.status, errcode, TEXTS["en"][problem.key]) from None

    async def _begin(self, request: Request) -> Response:
        if request.params.get("idp_id", PROVIDER) != PROVIDER:
            raise Problem(404, "no_provider")
        asked = {"redirectUrl": _target(request)}
        if request.query.get("action") == "register":
            asked["action"] = "register"
        address = f"{self._desk.place.base_url(request)}{_PAGE}?{urlencode(asked)}"
        return Response(status=302, headers={"location": address, "cache-control": "no-store"})

    async def ask(self, request: Request) -> Response:
        target = _target(request)
        visitor = await self._desk.visitors.visit(request)
        if visitor.user_id is None:
            following = f"{_PAGE}?{urlencode({'redirectUrl': target})}"
            is_new = request.query.get("action") == "register"
            raise Away(sign_in_path(following, SIGN_UP) if is_new else sign_in_path(following))
        return self._page(visitor, visitor.user_id, target)

    def _page(self, visitor: Visitor, user_id: str, target: str) -> Response:
        say = self._desk.say
        shown = _shown(target)
        title = say(visitor, "sso_title", target=shown)
        other = markup.link(sign_in_path(visitor.here, switch="yes"), say(visitor, "not_you"))
        body = (
            markup.heading(title),
            markup.paragraph(say(visitor, "sso_lead", user_id=user_id, target=shown), "lead"),
            markup.paragraph(say(visitor, "sso_warning"), "who"),
            markup.form(visitor.here, visitor.csrf, markup.buttons(markup.button(say(visitor, "go_on")))),
            f'<p class="ends">{other}</p>',
        )
        return self._desk.show(visitor, title, *body, target=target)

    async def confirm(self, request: Request) -> Response:
        target = _target(request)
        visitor, _ = await self._desk.member_form(request)
        assert visitor.user_id is not None
        token = await self._sessions.login_token(visitor.user_id, visitor.session_hash)
        headers = {
            "location": with_pairs(target, {"loginToken": token}),
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        }
        return Response(status=303, headers=headers)


def _target(request: Request) -> str:
    """An address that a browser can be sent to without harm."""
    target = request.query.get("redirectUrl") or ""
    is_plain = target.isascii() and target.isprintable() and not set(target) & set(' \\<>"`')
    try:
        parts = urlsplit(target)
        is_known = bool(parts.scheme) and parts.scheme not in _NEVER and "@" not in parts.netloc
    except ValueError:
        is_known = False
    if not is_plain or not is_known or len(target) > limits.OAUTH_TEXT_BYTES_MAX:
        raise Problem(400, "bad_target")
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise Problem(400, "bad_target")
    return target


def _shown(target: str) -> str:
    parts = urlsplit(target)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"
