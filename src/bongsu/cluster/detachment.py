"""How a standby stops following, and how it knows that it did.

Emptying `primary_conninfo` and seeing no WAL receiver proves nothing: PostgreSQL's startup process, which starts
receivers, reads the new setting when it gets to it, and may before that start one more for the old leader. The proof:

- The file is written, and the startup process is sent SIGHUP directly (the postmaster passes on its own one later).
- After that it is seen waiting in RecoveryRetrieveRetryInterval. It gets there only after it has shut a receiver down
  and found nothing more in its own WAL, and the first thing it does on leaving is to handle that signal. So from here
  on there is no receiver and none will be started.
- A session that reads its settings now sees the empty one: the file was not refused for a mistake in it.

The same wait answers another question. After a restart, WAL that was confirmed may lie on the disk and not be replayed
yet, and then PostgreSQL's positions are too low. Whoever waits there has replayed all it has.
"""

import os
import signal
import time
from typing import Any, Final, Protocol

DETACH_SECONDS_MAX: Final = 1.5  # a long replay takes longer: then this round is lost, and the next one asks again
_POLL_SECONDS: Final = 0.02

_STARTUP: Final = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'"
_IS_WAITING: Final = """
    SELECT count(*) FILTER (WHERE backend_type = 'startup' AND wait_event = 'RecoveryRetrieveRetryInterval') = 1
       AND count(*) FILTER (WHERE backend_type = 'walreceiver') = 0
       AND current_setting('primary_conninfo') = ''
      FROM pg_stat_activity
"""
_POSITION: Final = """
    SELECT greatest(coalesce(pg_last_wal_receive_lsn() - '0/0', 0),
                    coalesce(pg_last_wal_replay_lsn() - '0/0', 0))::bigint
"""


class Query(Protocol):
    """Patroni's own connection to the PostgreSQL beside it."""

    def __call__(self, sql: str, *, retry: bool) -> list[tuple[Any, ...]]: ...


def detach(postgresql: Any) -> int | None:
    """Follows nobody, proven; the position in bytes. None: it could not be proven in time, or is no standby."""
    if postgresql.config.check_recovery_conf(None)[0]:
        postgresql.follow(None, do_reload=True)
    return proven_position(postgresql.query)


def proven_position(query: Query, seconds_max: float = DETACH_SECONDS_MAX) -> int | None:
    """The file says already that nobody is to be followed. Raises what the connection raises."""
    if not _is_signalled(query):
        return None
    deadline = time.monotonic() + seconds_max
    while not query(_IS_WAITING, retry=False)[0][0]:
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_SECONDS)
    return int(query(_POSITION, retry=False)[0][0])


def _is_signalled(query: Query) -> bool:
    found = query(_STARTUP, retry=False)
    if not found:
        return False  # promoted, or not up
    try:
        os.kill(int(found[0][0]), signal.SIGHUP)
    except ProcessLookupError:
        return False
    return True
