"""What authenticators are asked and what they answer, by way of the WebAuthn library. Pure; a finger, face or PIN is
always asked for.

The library takes 14 MB with all that it brings, so this file is loaded when the first passkey is asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import webauthn
from webauthn.helpers import parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bongsu.core import ids

_REQUIRED: Final = UserVerificationRequirement.REQUIRED  # two factors in one
_WRONG: Final = (WebAuthnException, ValueError, KeyError, TypeError)


class Asked(msgspec.Struct, frozen=True):
    """options: what navigator.credentials is called with, as JSON."""

    options: str
    challenge: bytes


class Made(msgspec.Struct, frozen=True):
    credential_id: bytes
    public_key: bytes
    sign_count: int


class Expected(msgspec.Struct, frozen=True):
    """What an answer must be about. site: the domain that passkeys belong to."""

    challenge: bytes
    site: str
    origin: str


def ask_to_show(site: str) -> Asked:
    options = webauthn.generate_authentication_options(rp_id=site, user_verification=_REQUIRED)
    return Asked(webauthn.options_to_json(options), options.challenge)


def ask_to_make(site: str, name: str, user_id: str, handle: bytes, known: Sequence[bytes]) -> Asked:
    """name: of the server. handle: who it is for, as the authenticator keeps it. known: ids of passkeys they have."""
    options = webauthn.generate_registration_options(
        rp_id=site,
        rp_name=name,
        user_name=user_id,
        user_id=handle,
        user_display_name=ids.split(user_id)[0],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return Asked(webauthn.options_to_json(options), options.challenge)


def challenge_of(client_data: bytes) -> bytes:
    """The challenge that an answer claims to be for. Raises ValueError for nonsense."""
    with _wrong_is_a_value_error():
        return parse_client_data_json(client_data).challenge


def shown(credential: dict[str, Any], expected: Expected, public_key: bytes, sign_count: int) -> int:
    """The count of uses that a passkey tells when it proves itself. Raises ValueError when it does not."""
    with _wrong_is_a_value_error():
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=expected.challenge,
            expected_rp_id=expected.site,
            expected_origin=expected.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
        return verified.new_sign_count


def made(credential: dict[str, Any], expected: Expected) -> Made:
    """The new passkey. Raises ValueError for an answer that proves none."""
    with _wrong_is_a_value_error():
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=expected.challenge,
            expected_rp_id=expected.site,
            expected_origin=expected.origin,
            require_user_verification=True,
        )
        return Made(verified.credential_id, verified.credential_public_key, verified.sign_count)


@contextmanager
def _wrong_is_a_value_error() -> Iterator[None]:
    """The library says in several ways that an answer is wrong."""
    try:
        yield
    except _WRONG as error:
        raise ValueError(str(error)) from None
