"""Errors in OAuth's own form (RFC 6749, 7591, 8628), whose classes Authlib has."""

from typing import Any, Final

from authlib.oauth2.rfc6749 import errors as basic  # type: ignore[import-untyped]
from authlib.oauth2.rfc8628 import errors as device  # type: ignore[import-untyped]

from bongsu.core.errors import Refusal

NO_STORE: Final = {"cache-control": "no-store", "pragma": "no-cache"}

InvalidRequest: Final = basic.InvalidRequestError
InvalidClient: Final = basic.InvalidClientError
InvalidGrant: Final = basic.InvalidGrantError
InvalidScope: Final = basic.InvalidScopeError
UnauthorizedClient: Final = basic.UnauthorizedClientError
UnsupportedGrantType: Final = basic.UnsupportedGrantTypeError
UnsupportedResponseType: Final = basic.UnsupportedResponseTypeError
AccessDenied: Final = basic.AccessDeniedError
Pending: Final = device.AuthorizationPendingError
SlowDown: Final = device.SlowDownError
Expired: Final = device.ExpiredTokenError


class InvalidRedirect:
    """Here, because Authlib's own loads all that signs and encrypts, 9 MB, with it. So does the next one."""

    error = "invalid_redirect_uri"


class InvalidMetadata:
    error = "invalid_client_metadata"


def refused(kind: Any, message: str) -> Refusal:
    """kind: one of the classes above."""
    status = 401 if kind is InvalidClient else 400
    headers = {**NO_STORE, **({"www-authenticate": "Basic"} if status == 401 else {})}
    fields = {"error": name_of(kind), "error_description": message.replace('"', "'")}
    return Refusal(status, "", message, fields=fields, headers=headers)


def name_of(kind: Any) -> str:
    return str(kind.error)
