"""What the operator says about the server, for people who need help and for servers that ask.

GET /.well-known/matrix/support
GET /.well-known/matrix/policy_server
"""

import msgspec

from bongsu.core.errors import not_found
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route


class Contacts(msgspec.Struct, frozen=True):
    """Mail addresses or user ids of who looks after the server, and of who hears of holes in it."""

    admin: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    page: str | None = None

    def said(self) -> JsonObject:
        roles = (("m.role.admin", self.admin), ("m.role.security", self.security))
        contacts = [{"role": role, _kind(address): address} for role, addresses in roles for address in addresses]
        said: JsonObject = {"contacts": contacts} if contacts else {}
        return said if self.page is None else {**said, "support_page": self.page}


def _kind(address: str) -> str:
    return "matrix_id" if address.startswith("@") else "email_address"


class Support:
    """policy_key: the ed25519 key of a policy server under this name."""

    def __init__(self, contacts: Contacts, policy_key: str | None) -> None:
        self._contacts = contacts
        self._policy_key = policy_key

    def routes(self) -> list[Route]:
        at = "/.well-known/matrix"
        return [
            Route("GET", f"{at}/support", self.support, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", f"{at}/policy_server", self.policy_server, Auth.NONE, tier=Tier.RUNNING),
        ]

    async def support(self, _: Request) -> Response:
        said = self._contacts.said()
        if not said:
            raise not_found("the operator of this server has left no address")
        return reply(said)

    async def policy_server(self, _: Request) -> Response:
        if self._policy_key is None:
            raise not_found("this is no policy server")
        return reply({"public_keys": {"ed25519": self._policy_key}})
