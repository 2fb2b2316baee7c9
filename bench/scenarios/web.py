"""The web client in a real browser: its first load, turning from room to room, scrolling, and what memory it keeps."""

import asyncio
import functools
import http.server
import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.api import PASSWORD, each
from bench.figures import Better, Figure, median, percentile
from bench.peers import ROOT
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target

WEB = ROOT / "web"
RUN_SECONDS_MAX = 600.0


class Web:
    """cinny: a folder with a build of Cinny, to be measured beside it."""

    name = "web"
    floors = ()

    def __init__(self, sizes: Sizes, cinny: Path | None) -> None:
        self._sizes, self._cinny = sizes, cinny
        self._room = self._other = ""
        self.title = f"The web client, {sizes.web_messages:,} messages kept"

    async def prepare(self, target: Target) -> None:
        """A room with a long past, and one with a short one."""
        if target.name != "bongsu":
            raise LookupError("it has no web client of its own")
        (author,) = await target.users(1)
        self._room = await target.api.create_room(author, "a long room")
        self._other = await target.api.create_room(author, "a short room")
        await target.api.send(author, self._other, "hello")
        texts = [f"message {number}: the fires on the hills" for number in range(self._sizes.web_messages)]
        with target.stage(f"sending {len(texts)} messages", len(texts)) as advance:
            await each(texts, lambda text: target.api.send(author, self._room, text), advance=advance)

    def steps(self) -> list[Step]:
        return [Step("loads, turns, scrolls", self._measure, self._sizes.rounds)]

    async def _measure(self, target: Target) -> Measured:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if chromium is None or not (WEB / "node_modules").is_dir():
            raise LookupError("it needs Chromium, and `make web` first")
        (author,) = await target.users(1)
        with _served(self._cinny) as peer:
            base = f"http://127.0.0.1:{target.server.port}"
            words = [chromium, base, author.user_id.split(":")[0][1:], PASSWORD, self._room, self._other]
            counts = [str(self._sizes.web_messages), str(self._sizes.web_switches)]
            found = await _run([*words, *counts, *([peer] if peer else [])])
        return Measured(_figures(found))


async def _run(words: list[str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "node", str(WEB / "e2e/speed.mjs"), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(RUN_SECONDS_MAX):
        said, wrong = await process.communicate()
    if process.returncode:
        raise RuntimeError(wrong.decode()[-300:])
    found: dict[str, Any] = msgspec.json.decode(said)
    return found


def _figures(found: dict[str, Any]) -> list[Figure]:
    own, other, turns, frames = found["own"], found["other"], found["switch_ms"], found["frames_ms"]
    grown = (found["heap_after"] - found["heap_before"]) / 1024
    interactive = median(own["interactive_ms"])
    beside = median(other["interactive_ms"]) if other else math.nan
    return [
        Figure("web/first_load_kb", "First load, script and style, packed", own["bytes"] / 1024, "KiB"),
        Figure("web/interactive_ms", "Cold start until somebody can type", interactive, "ms"),
        Figure("web/cinny_first_load_kb", "Cinny's first load", other["bytes"] / 1024 if other else math.nan, "KiB"),
        Figure("web/cinny_interactive_ms", "Cinny until somebody can type", beside, "ms"),
        Figure("web/cinny_ratio", "Cinny's time / Bongsu's", beside / interactive, "", Better.HIGHER),
        Figure("web/cached", "Messages kept on the device", found["cached"], "", Better.NEITHER),
        Figure("web/switch_p50_ms", "Turning to another room, p50", percentile(turns, 0.5), "ms"),
        Figure("web/switch_worst_ms", "Turning to another room, worst", max(turns), "ms"),
        Figure("web/frame_p50_ms", "A frame while scrolling, p50", percentile(frames, 0.5), "ms"),
        Figure("web/frame_p95_ms", "A frame while scrolling, p95", percentile(frames, 0.95), "ms"),
        Figure("web/heap_mb", "Script memory", found["heap_after"] / 1024**2, "MiB"),
        Figure("web/heap_grown_kb", f"Script memory more after {len(turns)} turns", grown, "KiB"),
    ]


@contextmanager
def _served(folder: Path | None) -> Iterator[str]:
    """The address of a folder of files; empty without one."""
    if folder is None:
        yield ""
        return
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
