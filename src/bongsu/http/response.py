"""What goes back."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from bongsu.core.errors import Refusal
from bongsu.core.json import encode

JSON: Final = "application/json"
CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization, Range, Idempotency-Key"),
    (b"access-control-expose-headers", b"Retry-After, Content-Range, Accept-Ranges, Content-Disposition, ETag"),
    (b"access-control-max-age", b"86400"),
)
# of a JSON reply that is written in one piece
ANSWER_HEAD: Final = b"".join(
    name + b": " + value + b"\r\n" for name, value in ((b"content-type", JSON.encode()), *CORS)
)


class Response:
    """status, headers (lower-case names) and a body: bytes, or an iterator of pieces.

    With a content-length header, if the length is known; else it goes in chunks.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        status: int = 200,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"content-type": content_type, **(headers or {})}
        if isinstance(body, bytes):
            self.headers["content-length"] = str(len(body))

    def lines(self) -> list[tuple[bytes, bytes]]:
        """The headers as they are sent."""
        return [*((name.encode(), value.encode("latin-1")) for name, value in self.headers.items()), *CORS]

    @property
    def is_plain(self) -> bool:
        """Nothing but JSON in one piece, and all went well?"""
        return self.status == 200 and len(self.headers) == 2 and self.headers.get("content-type") == JSON


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
