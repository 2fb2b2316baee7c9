"""Names of addresses that strangers name, looked up for aiohttp, which takes 9 MB: this is loaded by who asks first."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from bongsu.core.addresses import Network, may_ask

_NUMBERS_IN_FULL: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Looks a name up once, and gives those of its addresses that may be asked."""

    def __init__(self, lookup: Callable[[str, int], Awaitable[Sequence[str]]], ranges: Sequence[Network]) -> None:
        self._lookup = lookup
        self._ranges = ranges

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = [found for found in await self._lookup(host, port) if may_ask(found, self._ranges)]
        if not addresses:
            raise OSError("no address of this name is asked")
        return [_result(host, address, port) for address in dict.fromkeys(addresses)]

    async def close(self) -> None:
        pass


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=_NUMBERS_IN_FULL)
