"""The one way to say no: a refusal in the protocol's own form."""

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """A request that is answered with an error and changes nothing.

    status: HTTP status; errcode: Matrix error code (client-server API, "Standard error response");
    message: a sentence a person can act on; fields: further members of the JSON body; headers: extra HTTP headers.
    """

    def __init__(
        self,
        status: int,
        errcode: str,
        message: str,
        *,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {errcode}: {message}")
        self.status = status
        self.errcode = errcode
        self.message = message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


def bad_json(message: str) -> Refusal:
    return Refusal(400, "M_BAD_JSON", message)


def not_json(message: str) -> Refusal:
    return Refusal(400, "M_NOT_JSON", message)


def invalid_param(message: str) -> Refusal:
    return Refusal(400, "M_INVALID_PARAM", message)


def missing_param(message: str) -> Refusal:
    return Refusal(400, "M_MISSING_PARAM", message)


def forbidden(message: str) -> Refusal:
    return Refusal(403, "M_FORBIDDEN", message)


def not_found(message: str) -> Refusal:
    return Refusal(404, "M_NOT_FOUND", message)


def full(message: str) -> Refusal:
    """Of something there are as many as may be."""
    return Refusal(403, "M_RESOURCE_LIMIT_EXCEEDED", message)


def too_large(message: str) -> Refusal:
    return Refusal(413, "M_TOO_LARGE", message)


def limit_exceeded(retry_after_ms: int, why: str = "Too many requests.") -> Refusal:
    seconds = max(1, -(-retry_after_ms // 1000))
    return Refusal(
        429,
        "M_LIMIT_EXCEEDED",
        f"{why} Try again in {seconds} s.",
        fields={"retry_after_ms": retry_after_ms},
        headers={"retry-after": str(seconds)},
    )
