"""A crowd of clients in one process: each waits in a sync and says nothing more. Killed, they vanish all at once.

python -m tests.hostile.crowd PORT SINCE SYNCS_PER_TOKEN < tokens    writes one line when all have asked
"""

import resource
import signal
import socket
import sys
from collections.abc import Iterable

TIMEOUT_MS = 100_000


def raise_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def park(port: int, since: str, token: str) -> socket.socket:
    """A connection on which a sync waits."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    request = f"GET /_matrix/client/v3/sync?set_presence=offline&since={since}&timeout={TIMEOUT_MS} HTTP/1.1\r\n"
    client.sendall(f"{request}Host: test.example\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return client


def main(port: int, since: str, syncs_per_token: int, tokens: Iterable[str]) -> None:
    raise_limit()
    clients = [park(port, since, token.strip()) for token in tokens for _ in range(syncs_per_token)]
    print(len(clients), flush=True)
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.stdin)
