"""What the server and a thumbnail worker say to each other: frames with their length (4 bytes, big-endian) in front.

server → worker: Job, the source's bytes. worker → server: Outcome, the thumbnail's bytes (empty unless it was made).
"""

import asyncio
from typing import BinaryIO, Final

import msgspec

from bongsu.media.rules import Size

LENGTH_BYTES: Final = 4


class Job(msgspec.Struct, frozen=True):
    """What is wanted of the source that follows."""

    size: Size
    animated: bool


class PreviewJob(msgspec.Struct, frozen=True):
    """What is wanted of the page or the picture that follows; of a page, where it is and what it is said to be."""

    is_picture: bool
    url: str = ""
    content_type: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """made: the thumbnail follows; as_is: the source is small enough; too_large, impossible: why there is none."""

    verdict: str
    content_type: str = ""


def length(size: int) -> bytes:
    return size.to_bytes(LENGTH_BYTES, "big")


def frame(payload: bytes) -> bytes:
    return length(len(payload)) + payload


def read(source: BinaryIO) -> bytes | None:
    """The next frame; None at the end of the stream, also within a frame."""
    head = source.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "big")
    payload = source.read(size)
    return payload if len(payload) == size else None


async def receive(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """The next frame, for the server. Raises EOFError when the worker ended, ValueError when it says too much."""
    size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    if size > bytes_max:
        raise ValueError("a thumbnail worker sent more than agreed")
    return await reader.readexactly(size)
