"""Calls to addresses that people gave reach the public internet alone, unless the operator says otherwise."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bongsu.http.outside import Outside, Unreachable


async def in_pieces(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for piece in (b'{"rejected"', b': ["a', b'bc"]}'):
        await answer.write(piece)
        await asyncio.sleep(0.02)
    return answer


@pytest.fixture
async def called() -> AsyncIterator[tuple[int, list[str]]]:
    """A port here, and what was asked of it."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/slow":
            await asyncio.sleep(60)
        if request.path == "/away":
            raise web.HTTPFound("/there")
        if request.path == "/nonsense":
            assert request.transport is not None
            request.transport.write(b"nonsense\r\n\r\n")
        if request.path == "/pieces":
            return await in_pieces(request)
        return web.json_response({"a": 1}, status=503, headers={"retry-after": "7"})

    app = web.Application()
    app.router.add_post("/{name}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1], asked
    await runner.cleanup()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "127.1", "2130706433", "0x7f000001", "0.0.0.0"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nothing_private_is_called(called: tuple[int, list[str]], scheme: str, host: str) -> None:
    """However the address is written, and whatever a name stands for."""
    port, asked = called
    outside = Outside(allows_private=False)
    with pytest.raises(Unreachable):
        await outside.post(f"{scheme}://{host}:{port}/x", b"{}", {})
    await outside.close()
    assert asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_private_addresses_may_be_allowed(called: tuple[int, list[str]], host: str) -> None:
    port, asked = called
    outside = Outside(allows_private=True)
    answer = await outside.post(f"http://{host}:{port}/x", b"{}", {})
    assert (answer.status, answer.retry_after, answer.json()) == (503, 7.0, {"a": 1})
    assert (await outside.post(f"http://{host}:{port}/away", b"{}", {})).status == 302  # and is not followed
    await outside.close()
    assert asked == ["/x", "/away"]


async def test_an_answer_may_come_in_pieces(called: tuple[int, list[str]]) -> None:
    outside = Outside(allows_private=True)
    answer = await outside.post(f"http://127.0.0.1:{called[0]}/pieces", b"{}", {})
    await outside.close()
    assert answer.json() == {"rejected": ["abc"]}


async def test_who_takes_too_long_is_not_waited_for(called: tuple[int, list[str]]) -> None:
    outside = Outside(allows_private=True, seconds_max=0.3)
    with pytest.raises(Unreachable, match="Timeout"):
        await outside.post(f"http://127.0.0.1:{called[0]}/slow", b"{}", {})
    await outside.close()


async def test_what_goes_wrong_tells_nothing_of_an_address_but_its_host(called: tuple[int, list[str]]) -> None:
    """The rest may be a secret, and what goes wrong is logged."""
    outside = Outside(allows_private=True)
    with pytest.raises(Unreachable) as caught:
        await outside.post(f"http://127.0.0.1:{called[0]}/nonsense?secret=a1b2", b"{}", {})
    await outside.close()
    assert "a1b2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_plain_http_is_for_private_networks_alone() -> None:
    outside = Outside(allows_private=True)
    assert outside.may_call("10.1.2.3", "http")
    assert not outside.may_call("93.184.215.14", "http")
    assert outside.may_call("93.184.215.14", "https")
    assert outside.may_call("10.1.2.3", "https")
    careful = Outside(allows_private=False)
    assert careful.may_call("93.184.215.14", "https")
    assert not careful.may_call("93.184.215.14", "http")


async def test_other_schemes_are_refused() -> None:
    outside = Outside(allows_private=True)
    with pytest.raises(Unreachable):
        await outside.post("ftp://127.0.0.1/x", b"", {})
