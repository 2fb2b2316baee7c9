"""Runs the scripts of js/ with Node: whole conversations, and single people who do as they are told."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

JS = Path(__file__).parent / "js"
RUN_SECONDS_MAX = 120.0
ACT_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 16 * 1024 * 1024  # a photo in base64 is one line


def require_modules() -> None:
    if not (JS / "node_modules").is_dir():
        pytest.fail(f"{JS / 'node_modules'} is absent: run `make test`, or `npm ci` in {JS}", pytrace=False)


async def start(script: str, *args: str) -> asyncio.subprocess.Process:
    require_modules()
    pipe = asyncio.subprocess.PIPE
    command = ("node", str(JS / script), *args)
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES_MAX)


async def run(script: str, *args: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON lines that a script prints, and what it said on standard error. Fails when it does not end well."""
    process = await start(script, *args)
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            out, err = await process.communicate()
    finally:
        _end(process)
    assert process.returncode == 0, f"{script} ended with {process.returncode}:\n{out.decode()}\n{err.decode()}"
    return [json.loads(line) for line in out.splitlines()], err.decode()


async def conversation(script: str, *args: str) -> Callable[[str], Any]:
    """Runs a script of steps. What it gives back tells what a step saw, and fails for one that failed."""
    lines, said = await run(script, *args)
    steps = {line["step"]: line for line in lines}

    def saw(step: str) -> Any:
        assert step in steps, f"{step} was not reported\n{said}"
        assert "error" not in steps[step], f"{steps[step]['error']}\n{said}"
        return steps[step]["saw"]

    return saw


class Puppet:
    """Somebody with matrix-js-sdk. Each method does that act in js/puppet.mjs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.user_id = ""

    async def act(self, act: str, *args: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, "args": args}).encode() + b"\n")
        async with asyncio.timeout(ACT_SECONDS_MAX):
            line = await self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": await self._last_words()}
        assert "error" not in answer, f"{act}: {answer['error']}"
        return answer["did"]

    async def join(self, room_id: str) -> None:
        await self.act("join", room_id)

    async def say(self, room_id: str, body: str) -> str:
        return str(await self.act("say", room_id, body))

    async def deliver(self, room_id: str, body: str) -> str:
        """As say(), but while the server is away it is tried again."""
        return str(await self.act("deliver", room_id, body))

    async def reads(self, room_id: str, event_id: str) -> str:
        """Waits until the event is decrypted; its text."""
        return str((await self.act("read", room_id, event_id))["body"])

    async def edit(self, room_id: str, event_id: str, body: str) -> str:
        return str(await self.act("edit", room_id, event_id, body))

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        return str(await self.act("react", room_id, event_id, key))

    async def redact(self, room_id: str, event_id: str) -> str:
        return str(await self.act("redact", room_id, event_id))

    async def send_photo(self, room_id: str, data: bytes, file_name: str) -> str:
        return str(await self.act("photo", room_id, base64.b64encode(data).decode(), file_name))

    async def download(self, uri: str) -> tuple[bytes, str]:
        """What stands at an mxc:// address, and its type."""
        answer = await self.act("download", uri)
        assert answer["status"] == 200, answer
        return base64.b64decode(answer["data"]), answer["contentType"]

    async def sees(self, room_id: str, event_id: str, **wanted: Any) -> dict[str, Any]:
        """Waits until the client shows the event like this: any of sender, body, url, redacted, reactions."""
        view: dict[str, Any] = await self.act("sees", room_id, event_id, wanted)
        return view

    async def _last_words(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()


@asynccontextmanager
async def puppet(base_url: str, name: str, *, crypto: bool = False) -> AsyncIterator[Puppet]:
    """Signs somebody new up; their client runs until the end of the block. crypto: it encrypts."""
    process = await start("puppet.mjs", base_url, name, *(["crypto"] if crypto else []))
    try:
        person = Puppet(process)
        person.user_id = await person.act("whoami")
        yield person
    finally:
        _end(process)
        await process.communicate()


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
