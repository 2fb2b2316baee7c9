"""What goes back."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from bongsu.core.errors import Refusal
from bongsu.core.json import encode


class Response:
    """status, headers (lower-case names) and a body: bytes, or an iterator of pieces with a content-length header."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"content-type": content_type, **(headers or {})}
        if isinstance(body, bytes):
            self.headers["content-length"] = str(len(body))


def reply(value: Any, status: int = 200) -> Response:
    """A JSON reply."""
    return Response(encode(value), status=status)


def empty() -> Response:
    """The empty JSON object: "done, nothing to say"."""
    return Response(b"{}")


def refusal(error: Refusal) -> Response:
    """The error in the protocol's form. Interactive authentication's question is no error and carries no code."""
    said = {"errcode": error.errcode, "error": error.message} if error.errcode else {}
    body = {**said, **error.fields}
    return Response(encode(body), status=error.status, headers=error.headers)
