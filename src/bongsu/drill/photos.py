"""Photos of the run: made from the seed, so that what was uploaded needs no keeping, only its SHA-256."""

import hashlib
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from PIL import Image

from bongsu.core import limits
from bongsu.drill.checker import Copy, Photo
from bongsu.drill.client import Client
from bongsu.drill.record import Kind
from bongsu.drill.wire import request

_SIDES: Final = (64, 96, 160, 240)  # of a picture of noise: about 12 to 170 kB as PNG, which cannot shrink it
DOWNLOAD: Final = "/_matrix/client/v1/media/download"


def picture(seed: int, number: int) -> bytes:
    """The bytes of a real PNG, the same for the same seed and number."""
    chance = random.Random(f"{seed} {number}")  # noqa: S311
    side = chance.choice(_SIDES)
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), chance.randbytes(3 * side * side)).save(out, "PNG")
    return out.getvalue()


class Album:
    """The acknowledged photos, in a file of lines."""

    def __init__(self, path: Path, seed: int) -> None:
        self.photos: list[Photo] = []
        self._path, self._seed = path, seed
        self._begun = 0

    def next(self) -> bytes:
        self._begun += 1
        return picture(self._seed, self._begun)

    def acknowledge(self, uri: str, data: bytes, at: float) -> None:
        photo = Photo(uri, hashlib.sha256(data).hexdigest(), at)
        self.photos.append(photo)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(photo._asdict()) + b"\n")


async def copies(client: Client, photos: Sequence[Photo], site: int, name: str) -> list[Copy]:
    """What one site gives for each photo: asked there and nowhere else."""
    client.site = client.home = site
    return [Copy(name, photo.uri, await _digest(client, photo.uri)) for photo in photos]


async def _digest(client: Client, uri: str) -> str | None:
    """Three tries, for a site may be busy: a copy that is there comes in one of them."""
    address = urlsplit(uri)
    raw = request("GET", f"{DOWNLOAD}/{address.netloc}{address.path}", client.account.token)
    for _ in range(limits.DRILL_DOWNLOAD_TRIES):
        reply = await client.ask(raw, Kind.DOWNLOAD, wait_seconds=limits.DRILL_PAGE_SECONDS)
        if reply is not None and reply.status == 200:
            return hashlib.sha256(reply.body).hexdigest()
    return None
