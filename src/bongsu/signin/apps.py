"""Apps: how they register, and how one shows which it is.

POST /oauth2/register
"""

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from authlib.oauth2.rfc6749.util import extract_basic_authorization  # type: ignore[import-untyped]

from bongsu.core import limits, oauth
from bongsu.core.errors import Refusal
from bongsu.core.json import parse_object
from bongsu.core.oauth import BadMetadata
from bongsu.core.tiers import Tier
from bongsu.http.authentication import token_hash
from bongsu.http.place import Place
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.signin import refusals
from bongsu.signin.refusals import refused
from bongsu.store.oauth import Client, OAuth

REGISTER: Final = "/oauth2/register"
_sorted: Final = msgspec.json.Encoder(order="sorted")


class Apps:
    """register() for apps; prove() for the other endpoints."""

    def __init__(self, table: OAuth, place: Place) -> None:
        self._table = table
        self._place = place

    def routes(self) -> list[Route]:
        return [Route("POST", REGISTER, self.register, Auth.NONE, "register", Tier.SIGN_IN)]

    async def register(self, request: Request) -> Response:
        """An app that keeps no secret gets the same id each time it registers with the same words."""
        try:
            given = parse_object(await request.body(limits.OAUTH_METADATA_BYTES_MAX))
            metadata = oauth.read_metadata(given, is_local=self._place.is_local(request))
        except BadMetadata as error:
            raise refused(
                refusals.InvalidRedirect if error.is_redirect else refusals.InvalidMetadata, str(error)
            ) from None
        except Refusal as refusal:
            raise refused(refusals.InvalidMetadata, refusal.message) from None
        secret = None if metadata["token_endpoint_auth_method"] == oauth.PUBLIC else secrets.token_urlsafe(32)
        client = Client(_client_id(metadata, secret), metadata, None if secret is None else token_hash(secret))
        await self._table.put_client(client)
        secrecy = {} if secret is None else {"client_secret": secret, "client_secret_expires_at": 0}
        return reply({"client_id": client.client_id, **secrecy, **metadata}, 201)

    async def find(self, client_id: str | None) -> Client | None:
        return None if not client_id or len(client_id) > 64 else await self._table.client(client_id)

    async def prove(self, request: Request, form: Query) -> Client:
        """Which app asks, and that it is the one. 401 invalid_client."""
        client_id, secret = _basic(request)
        if client_id is not None and form.get("client_id") not in (None, client_id):
            raise refused(refusals.InvalidClient, "the request names two clients")
        client = await self.find(client_id or form.get("client_id"))
        if client is None:
            raise refused(refusals.InvalidClient, "there is no such client; register it")
        self._check_secret(client, secret, form.get("client_secret"))
        return client

    @staticmethod
    def _check_secret(client: Client, basic: str | None, posted: str | None) -> None:
        if client.secret_hash is None:
            if basic or posted:
                raise refused(refusals.InvalidClient, "this client has no secret")
            return
        wanted = client.metadata["token_endpoint_auth_method"]
        given = basic if wanted == "client_secret_basic" else posted
        if given is None or not hmac.compare_digest(token_hash(given), client.secret_hash):
            raise refused(refusals.InvalidClient, f"this client shows its secret by {wanted}")


def _client_id(metadata: Mapping[str, Any], secret: str | None) -> str:
    if secret is not None:
        return f"bsa_{secrets.token_urlsafe(18)}"
    return f"bsa_{sha256(_sorted.encode(metadata)).hexdigest()[:32]}"


def _basic(request: Request) -> tuple[str | None, str | None]:
    try:
        client_id, secret = extract_basic_authorization({"Authorization": request.header("authorization")})
    except ValueError:
        raise refused(refusals.InvalidClient, "the Authorization header is not Basic") from None
    if "\x00" in f"{client_id}{secret}":
        raise refused(refusals.InvalidClient, "the Authorization header is not Basic")
    return client_id, secret
