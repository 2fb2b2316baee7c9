"""The listening socket. Takes a few new connections at each turn of the event loop, however many are waiting.

When another site is lost its people connect in the same moment. An event loop takes all of them before it looks at
anything else, and then reads from all of them at once; meanwhile nobody's message moves. The kernel keeps the others
in line, which costs this process nothing.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from bongsu.core import limits

_REST_SECONDS = 0.5  # when this process or machine has no descriptor left


class Acceptor:
    """listen(), then close(). The protocols it makes live on."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol], sockets: list[socket.socket]) -> None:
        self._protocol = protocol
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        self._joining: set[asyncio.Task[None]] = set()
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}

    @classmethod
    async def listen(cls, protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> "Acceptor":
        """On every address of the host. Raises OSError when one cannot be had."""
        server = await asyncio.get_running_loop().create_server(protocol, host, port, start_serving=False)
        sockets = [socket.socket(fileno=os.dup(bound.fileno())) for bound in server.sockets]
        server.close()
        acceptor = cls(protocol, sockets)
        for listening in sockets:
            listening.setblocking(False)
            listening.listen(limits.BACKLOG_MAX)
            acceptor._wake(listening)
        return acceptor

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        for timer in self._resting.values():
            timer.cancel()
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()

    def _wake(self, listening: socket.socket) -> None:
        self._resting.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(limits.ACCEPTED_AT_ONCE_MAX):
            try:
                client, _address = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(listening)
                self._resting[listening] = self._loop.call_later(_REST_SECONDS, self._wake, listening)
                return
            client.setblocking(False)
            task = self._loop.create_task(self._join(client))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)

    async def _join(self, client: socket.socket) -> None:
        with suppress(OSError):  # gone already
            await self._loop.connect_accepted_socket(self._protocol, client)
