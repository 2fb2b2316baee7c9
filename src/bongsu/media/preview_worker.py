"""A reader of strangers' pages: `python -m bongsu.media.preview_worker`, a process like that of thumbnails.

A page may nest so deep that reading it takes a minute, or hit a fault of the parser. Here it hurts nobody else.
"""

import io
import sys
from typing import Final

import msgspec
from PIL import Image

from bongsu.core import limits
from bongsu.media import messages, pages, worker
from bongsu.media.messages import Outcome, PreviewJob

_job: Final = msgspec.json.Decoder(PreviewJob)
_FORMATS: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


class Picture(msgspec.Struct, frozen=True):
    """What a picture is, by its own first bytes. In pixels."""

    content_type: str
    width: int
    height: int


def main() -> None:
    worker.confine()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (order := messages.read(source)) is not None and (body := messages.read(source)) is not None:
        worker.allow_cpu(limits.PREVIEW_CPU_SECONDS_MAX)
        outcome, found = answer(_job.decode(order), body)
        sink.write(messages.frame(msgspec.json.encode(outcome)) + messages.frame(found))
        sink.flush()


def answer(job: PreviewJob, body: bytes) -> tuple[Outcome, bytes]:
    """Never raises: whatever a parser says is an answer."""
    try:
        found = _picture(body) if job.is_picture else pages.read(body, job.content_type, job.url)
        return Outcome("made", "application/json"), msgspec.json.encode(found)
    except Exception:
        return Outcome("impossible"), b""


def _picture(body: bytes) -> Picture:
    with Image.open(io.BytesIO(body), formats=tuple(_FORMATS)) as image:
        return Picture(_FORMATS[image.format or ""], image.width, image.height)


if __name__ == "__main__":
    main()
