"""A thumbnail worker: `python -m bongsu.media.worker`, a process of its own that reads jobs from its standard input.

Decoding strangers' pictures is where image libraries break. Here they break alone: this process has no secrets, no
database, a bounded memory and time, and can write no file. It ends when its input does.
"""

import contextlib
import io
import os
import resource
import signal
import sys
from typing import Final

import msgspec
from PIL import Image, ImageCms, ImageOps

from bongsu.core import limits
from bongsu.media import messages
from bongsu.media.messages import Job, Outcome
from bongsu.media.rules import Size, fitted

_FORMATS: Final = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
_ANIMATED: Final = frozenset(["GIF", "PNG", "WEBP"])
_ON_ITS_SIDE: Final = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_ORIENTATION: Final = 0x0112

_job: Final = msgspec.json.Decoder(Job)


class TooLarge(Exception):
    """The picture would cost more than a thumbnail may."""


def main() -> None:
    confine()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (order := messages.read(source)) is not None and (picture := messages.read(source)) is not None:
        allow_cpu(limits.THUMBNAIL_CPU_SECONDS_MAX)
        outcome, thumbnail = answer(_job.decode(order), picture)
        sink.write(messages.frame(msgspec.json.encode(outcome)) + messages.frame(thumbnail))
        sink.flush()


def confine() -> None:
    """What the kernel keeps even if a decoder is taken over by a picture."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the server, which ends us
    with contextlib.suppress(OSError):
        os.nice(10)  # text first
    for what, most in (
        (resource.RLIMIT_AS, limits.THUMBNAIL_MEMORY_BYTES_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, before anything is decoded


def allow_cpu(seconds: int) -> None:
    """The limit counts from the start of the process, so it moves with each job. The kernel ends us beyond it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def answer(job: Job, picture: bytes) -> tuple[Outcome, bytes]:
    """Never raises: whatever a decoder says is an answer."""
    try:
        return _work(job, picture)
    except (TooLarge, MemoryError):
        return Outcome("too_large"), b""
    except Exception:
        return Outcome("impossible"), b""


def _work(job: Job, picture: bytes) -> tuple[Outcome, bytes]:
    with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "GIF", "WEBP")) as image:
        _check_pixels(image)
        if _is_its_own_thumbnail(image, len(picture), job):
            return Outcome("as_is", _FORMATS[image.format or ""]), b""
        if job.animated and (film := _animation(image, job.size)) is not None:
            return Outcome("made", "image/webp"), film
        image.seek(0)
        return _encoded(_still(image, job.size))


def _check_pixels(image: Image.Image) -> None:
    is_jpeg = image.format in ("JPEG", "MPO")
    most = limits.THUMBNAIL_JPEG_PIXELS_MAX if is_jpeg else limits.THUMBNAIL_SOURCE_PIXELS_MAX
    if image.width * image.height > most:
        raise TooLarge


def _is_animated(image: Image.Image) -> bool:
    return image.format in _ANIMATED and bool(getattr(image, "is_animated", False))


def _is_its_own_thumbnail(image: Image.Image, size: int, job: Job) -> bool:
    """Small in pixels and bytes, sound, and with nothing in its metadata that changes or betrays something."""
    if image.width > job.size.width or image.height > job.size.height or size > limits.THUMBNAIL_AS_IS_BYTES_MAX:
        return False
    if (_is_animated(image) and not job.animated) or image.getexif():
        return False
    image.load()
    return image.mode in ("1", "L", "LA", "P", "RGB", "RGBA")


def _still(image: Image.Image, size: Size) -> Image.Image:
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in _ON_ITS_SIDE:
        size = Size(size.height, size.width, size.method)
    profile = image.info.get("icc_profile")
    small = _resized(image, size, can_draft=image.format in ("JPEG", "MPO"))
    return _upright(_in_srgb(small, profile), orientation)


def _resized(image: Image.Image, size: Size, *, can_draft: bool = False) -> Image.Image:
    if can_draft:
        (part_width, part_height), (width, height) = fitted(image.width, image.height, size)
        image.draft(None, (-(-image.width * width // part_width), -(-image.height * height // part_height)))
    (part_width, part_height), result = fitted(image.width, image.height, size)
    left, top = (image.width - part_width) // 2, (image.height - part_height) // 2
    box = (left, top, left + part_width, top + part_height)
    return _plain(image).resize(result, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _plain(image: Image.Image) -> Image.Image:
    """In a mode that can be resized and encoded: L, RGB, or RGBA where something is transparent."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Phones take pictures in wider colours, which look grey once their profile is gone."""
    if not profile or image.mode != "RGB":
        return image
    try:
        wide = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        narrow = ImageCms.profileToProfile(image, wide, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return narrow or image


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    image.info.clear()  # comments, places, profiles: encoders would write them
    exif = image.getexif()
    exif.clear()
    exif[_ORIENTATION] = orientation
    turned = ImageOps.exif_transpose(image)
    turned.info.clear()
    return turned


def _encoded(image: Image.Image) -> tuple[Outcome, bytes]:
    out = io.BytesIO()
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGBA":
        image.save(out, "PNG", optimize=True)
        return Outcome("made", "image/png"), out.getvalue()
    image.save(out, "JPEG", quality=82, optimize=True)
    return Outcome("made", "image/jpeg"), out.getvalue()


def _animation(image: Image.Image, size: Size) -> bytes | None:
    """An animated WebP; None when the picture does not move, or moves too much."""
    if not _is_animated(image):
        return None
    frames: list[Image.Image] = []
    durations: list[int] = []
    pixels_max = limits.ANIMATION_PIXELS_MAX
    for index in range(limits.ANIMATION_FRAMES_MAX + 1):
        try:
            image.seek(index)
        except EOFError:
            return _film(frames, durations) if len(frames) > 1 else None
        pixels_max -= image.width * image.height
        if index == limits.ANIMATION_FRAMES_MAX or pixels_max < 0:
            return None
        frames.append(_resized(image, size))
        durations.append(max(20, int(image.info.get("duration") or 100)))
    return None


def _film(frames: list[Image.Image], durations: list[int]) -> bytes | None:
    for image in frames:
        image.info.clear()
    out = io.BytesIO()
    frames[0].save(
        out, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=0
    )
    return out.getvalue() if out.tell() <= limits.THUMBNAIL_BYTES_MAX else None


if __name__ == "__main__":
    main()
