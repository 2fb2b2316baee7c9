"""How a passkey is made and shown: what browsers are asked, and whether what they answer is true (WebAuthn).

A challenge is good once, for the purpose it was made for. What the library does stands in authenticators.py, which is
loaded when it is needed.
"""

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from bongsu.core import base64url, ids
from bongsu.core.errors import Refusal, invalid_param
from bongsu.http.place import Place
from bongsu.http.request import Request
from bongsu.store.factors import Factors

if TYPE_CHECKING:
    from bongsu.signin.authenticators import Asked, Expected

_CREDENTIAL_BYTES_MAX: Final = 1_023  # the most that WebAuthn allows
NAME_BYTES_MAX: Final = 100
_WRONG: Final = (ValueError, KeyError, TypeError)


class Ceremonies:
    """Answers are taken as a browser serialises its credential, parsed or as text."""

    def __init__(self, table: Factors, place: Place) -> None:
        self._table = table
        self._place = place

    # --- showing one ---

    async def ask_to_show(self, request: Request, purpose: str) -> str:
        """What navigator.credentials.get() is called with, as JSON."""
        from bongsu.signin import authenticators

        return await self._asked(authenticators.ask_to_show(self._place.host(request)), purpose)

    async def shown(self, request: Request, said: object, purpose: str) -> str | None:
        """Whose passkey it is that was shown. None for nobody's, or one that does not prove it."""
        from bongsu.signin import authenticators

        credential, challenge = await self._answer(said, purpose)
        if credential is None:
            return None
        try:
            known = await self._table.passkey(base64url.decode(str(credential["rawId"])))
            if known is None or not _is_of(known.user_id, credential):
                return None
            expected = self._expected(request, challenge)
            count = authenticators.shown(credential, expected, known.public_key, known.sign_count)
        except _WRONG:
            return None
        counted = await self._table.used_passkey(known.credential_id, known.sign_count, count)
        return known.user_id if counted else None

    # --- making one ---

    async def ask_to_make(self, request: Request, user_id: str, purpose: str) -> str:
        """What navigator.credentials.create() is called with, as JSON."""
        from bongsu.signin import authenticators

        known = [each.credential_id for each in await self._table.passkeys(user_id)]
        site, name = self._place.host(request), self._place.server_name
        return await self._asked(authenticators.ask_to_make(site, name, user_id, _handle(user_id), known), purpose)

    async def keep(self, request: Request, said: object, user_id: str, name: str, purpose: str) -> bytes:
        """Its id. 400 for what proves nothing, is kept already, or is one too many."""
        from bongsu.signin import authenticators

        ids.check_text(name, "name", NAME_BYTES_MAX)
        credential, challenge = await self._answer(said, purpose)
        if credential is None:
            raise _bad()
        try:
            made = authenticators.made(credential, self._expected(request, challenge))
        except ValueError:
            raise _bad() from None
        if len(made.credential_id) > _CREDENTIAL_BYTES_MAX:
            raise _bad()
        await self._table.add_passkey(user_id, made.credential_id, made.public_key, made.sign_count, name)
        return made.credential_id

    async def _asked(self, asked: "Asked", purpose: str) -> str:
        await self._table.put_challenge(_hash(asked.challenge), purpose)
        return asked.options

    def _expected(self, request: Request, challenge: bytes) -> "Expected":
        from bongsu.signin import authenticators

        return authenticators.Expected(challenge, self._place.host(request), self._place.origin(request))

    async def _answer(self, said: object, purpose: str) -> tuple[dict[str, Any] | None, bytes]:
        """What the browser says, and the challenge in it, which is used up by this. (None, b"") for a bad one."""
        from bongsu.signin import authenticators

        try:
            credential = json.loads(said) if isinstance(said, str) else said
            client = base64url.decode(credential["response"]["clientDataJSON"])  # type: ignore[index]
            challenge = authenticators.challenge_of(client)
        except (*_WRONG, AttributeError, RecursionError):
            return None, b""
        if not isinstance(credential, dict) or not await self._table.take_challenge(_hash(challenge), purpose):
            return None, b""
        return credential, challenge


def _bad() -> Refusal:
    return invalid_param("this is no passkey that was asked for, or it was too long ago")


def _hash(challenge: bytes) -> bytes:
    return sha256(challenge).digest()


def _handle(user_id: str) -> bytes:
    """Who a passkey is for; an authenticator keeps it, so it names nobody."""
    return sha256(user_id.encode()).digest()


def _is_of(user_id: str, credential: dict[str, Any]) -> bool:
    handle = credential["response"].get("userHandle")
    return handle is None or base64url.decode(handle) == _handle(user_id)
