"""A crowd of clients in one process: each waits in a sync and says nothing more. Killed, they vanish all at once.

Who is told to come later asks again then.

python -m tests.hostile.crowd PORT SINCE SYNCS_PER_TOKEN < tokens    writes one line when all have asked
"""

import heapq
import re
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterable

TIMEOUT_MS = 100_000


def raise_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def park(port: int, request: bytes) -> socket.socket:
    """A connection on which a sync waits."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(request)
    return client


def sync(since: str, token: str) -> bytes:
    request = f"GET /_matrix/client/v3/sync?set_presence=offline&since={since}&timeout={TIMEOUT_MS} HTTP/1.1\r\n"
    return f"{request}Host: test.example\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def stay(clients: dict[socket.socket, bytes]) -> None:
    """For ever, or until one is refused. Whose time to wait is over waits again."""
    waiting: list[tuple[float, int, socket.socket]] = []
    with selectors.EpollSelector() as answers:
        for client in clients:
            answers.register(client, selectors.EVENT_READ)
        while True:
            for key, _ in answers.select(0.1):
                answered = key.fileobj
                assert isinstance(answered, socket.socket)
                heapq.heappush(waiting, (time.monotonic() + _later(answered), answered.fileno(), answered))
            while waiting and waiting[0][0] <= time.monotonic():
                client = heapq.heappop(waiting)[2]
                client.sendall(clients[client])


def _later(answered: socket.socket) -> float:
    """In how many seconds this client asks again."""
    answer = answered.recv(65_536)
    if answer.startswith(b"HTTP/1.1 200 "):
        return 0.0
    told = re.search(rb'"retry_after_ms":([0-9]+)', answer)
    assert told is not None, f"the sync ended: {answer[:200]!r}"
    return int(told[1]) / 1000


def main(port: int, since: str, syncs_per_token: int, tokens: Iterable[str]) -> None:
    raise_limit()
    requests = [sync(since, token.strip()) for token in tokens for _ in range(syncs_per_token)]
    clients = {park(port, request): request for request in requests}
    print(len(clients), flush=True)
    stay(clients)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.stdin)
