"""An answer in pieces ends when its client is lost: the rest is not made, and what makes it is closed."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from bongsu.http.app import App
from bongsu.http.request import Loss
from bongsu.http.response import Response


async def test_nothing_more_is_made_for_a_client_that_hung_up() -> None:
    loss = Loss()
    made: list[int] = []
    sent: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for number in range(9):
                made.append(number)
                yield b"%d" % number
        finally:
            made.append(-1)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if sent[-1] == b"1":
            loss.come()

    await App._send(Response(pieces()), "GET", send, loss)
    assert made == [0, 1, 2, -1]
    assert sent == [b"", b"0", b"1", b""]


async def test_whoever_stays_is_sent_all() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    sent: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    await App._send(Response(pieces()), "GET", send, Loss())
    assert sent == [b"", b"a", b"b", b""]
