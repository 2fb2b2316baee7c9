"""GET /_matrix/client/versions · GET /.well-known/matrix/client · GET capabilities"""

from collections.abc import Awaitable, Callable, Sequence

from bongsu.core import versions
from bongsu.core.tiers import Tier
from bongsu.http.place import Place
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route, client_routes

_UNSTABLE_FEATURES = {
    "org.matrix.e2e_cross_signing": True,  # clients that ask so set it up; it is stable since v1.1
    "org.matrix.simplified_msc3575": True,
    "org.matrix.msc4174": True,  # pushers of kind "webpush"
}
_SPEC_VERSIONS = ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 20))]


class Discovery:
    """What this server is and can do."""

    def __init__(
        self, place: Place, web_push_key: Callable[[], Awaitable[str]], sites: Sequence[str], *, has_mail: bool
    ) -> None:
        self._place = place
        self._web_push_key = web_push_key
        self._sites = sites  # base URLs of all centres, for clients that know to ask another one
        self._has_mail = has_mail

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/_matrix/client/versions", self.versions, Auth.OPTIONAL, tier=Tier.RUNNING),
            Route("GET", "/.well-known/matrix/client", self.well_known, Auth.NONE, tier=Tier.RUNNING),
            *client_routes("GET", "/capabilities", self.capabilities, bucket="read"),
        ]

    async def versions(self, _: Request) -> Response:
        return reply({"versions": _SPEC_VERSIONS, "unstable_features": _UNSTABLE_FEATURES})

    async def well_known(self, request: Request) -> Response:
        base_url = self._place.base_url(request)
        sign_in = {"issuer": self._place.issuer(request), "account": f"{base_url}/account"}
        sites = {"bongsu.sites": self._sites} if self._sites else {}
        known = {"m.homeserver": {"base_url": base_url}, "org.matrix.msc2965.authentication": sign_in}
        return reply({**known, **sites})

    async def capabilities(self, request: Request) -> Response:
        available = dict.fromkeys(versions.SUPPORTED, "stable")
        moderation = {"m.account_moderation": {"lock": True, "suspend": True}} if request.requester.is_admin else {}
        return reply(
            {
                "capabilities": {
                    "m.change_password": {"enabled": True},
                    "m.room_versions": {"default": versions.DEFAULT, "available": available},
                    "m.set_displayname": {"enabled": True},
                    "m.set_avatar_url": {"enabled": True},
                    "m.profile_fields": {"enabled": True},
                    "m.3pid_changes": {"enabled": self._has_mail},
                    "m.get_login_token": {"enabled": True},
                    "org.matrix.msc4174.webpush": {"enabled": True, "vapid": await self._web_push_key()},
                    **moderation,
                }
            }
        )
