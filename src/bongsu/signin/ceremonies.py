"""How a passkey is made and shown: what browsers are asked, and whether what they answer is true (WebAuthn).

A challenge is good once, for the purpose it was made for.
"""

import json
from hashlib import sha256
from typing import Any, Final

import webauthn
from webauthn.helpers import base64url_to_bytes, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bongsu.core import ids
from bongsu.core.errors import Refusal, invalid_param
from bongsu.http.place import Place
from bongsu.http.request import Request
from bongsu.store.factors import Factors

_REQUIRED: Final = UserVerificationRequirement.REQUIRED  # finger, face or PIN: two factors in one
_CREDENTIAL_BYTES_MAX: Final = 1_023  # the most that WebAuthn allows
NAME_BYTES_MAX: Final = 100
_WRONG: Final = (WebAuthnException, ValueError, KeyError, TypeError)


class Ceremonies:
    """Answers are taken as a browser serialises its credential, parsed or as text."""

    def __init__(self, table: Factors, place: Place) -> None:
        self._table = table
        self._place = place

    # --- showing one ---

    async def ask_to_show(self, request: Request, purpose: str) -> str:
        """What navigator.credentials.get() is called with, as JSON."""
        options = webauthn.generate_authentication_options(rp_id=self._place.host(request), user_verification=_REQUIRED)
        await self._table.put_challenge(_hash(options.challenge), purpose)
        return webauthn.options_to_json(options)

    async def shown(self, request: Request, said: object, purpose: str) -> str | None:
        """Whose passkey it is that was shown. None for nobody's, or one that does not prove it."""
        credential, challenge = await self._answer(said, purpose)
        if credential is None:
            return None
        try:
            known = await self._table.passkey(base64url_to_bytes(str(credential["rawId"])))
            if known is None or not _is_of(known.user_id, credential):
                return None
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._place.host(request),
                expected_origin=self._place.origin(request),
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except _WRONG:
            return None
        counted = await self._table.used_passkey(known.credential_id, known.sign_count, verified.new_sign_count)
        return known.user_id if counted else None

    # --- making one ---

    async def ask_to_make(self, request: Request, user_id: str, purpose: str) -> str:
        """What navigator.credentials.create() is called with, as JSON."""
        known = await self._table.passkeys(user_id)
        options = webauthn.generate_registration_options(
            rp_id=self._place.host(request),
            rp_name=self._place.server_name,
            user_name=user_id,
            user_id=_handle(user_id),
            user_display_name=ids.split(user_id)[0],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        await self._table.put_challenge(_hash(options.challenge), purpose)
        return webauthn.options_to_json(options)

    async def keep(self, request: Request, said: object, user_id: str, name: str, purpose: str) -> bytes:
        """Its id. 400 for what proves nothing, is kept already, or is one too many."""
        ids.check_text(name, "name", NAME_BYTES_MAX)
        credential, challenge = await self._answer(said, purpose)
        if credential is None:
            raise _bad()
        try:
            made = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._place.host(request),
                expected_origin=self._place.origin(request),
                require_user_verification=True,
            )
        except _WRONG:
            raise _bad() from None
        if len(made.credential_id) > _CREDENTIAL_BYTES_MAX:
            raise _bad()
        await self._table.add_passkey(user_id, made.credential_id, made.credential_public_key, made.sign_count, name)
        return made.credential_id

    async def _answer(self, said: object, purpose: str) -> tuple[dict[str, Any] | None, bytes]:
        """What the browser says, and the challenge in it, which is used up by this. (None, b"") for a bad one."""
        try:
            credential = json.loads(said) if isinstance(said, str) else said
            client = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))  # type: ignore[index]
        except (*_WRONG, RecursionError):
            return None, b""
        if not isinstance(credential, dict) or not await self._table.take_challenge(_hash(client.challenge), purpose):
            return None, b""
        return credential, client.challenge


def _bad() -> Refusal:
    return invalid_param("this is no passkey that was asked for, or it was too long ago")


def _hash(challenge: bytes) -> bytes:
    return sha256(challenge).digest()


def _handle(user_id: str) -> bytes:
    """Who a passkey is for; an authenticator keeps it, so it names nobody."""
    return sha256(user_id.encode()).digest()


def _is_of(user_id: str, credential: dict[str, Any]) -> bool:
    handle = credential["response"].get("userHandle")
    return handle is None or base64url_to_bytes(handle) == _handle(user_id)
