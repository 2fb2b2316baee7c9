"""A site's power switch: one small file, and the lock on it.

Whoever starts a process of the site holds the lock, shared, until the process belongs to the site. Whoever cuts the
power holds it alone until nothing runs. So nothing is ever started beside a power cut.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_on(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="ascii").strip() == "on"


@contextmanager
def switched(path: Path, *, on: bool) -> Iterator[None]:
    """Switches; inside, nothing of this site is started."""
    with path.open("a+", encoding="ascii") as switch:
        fcntl.flock(switch, fcntl.LOCK_EX)
        switch.truncate(0)
        switch.write("on" if on else "off")
        switch.flush()
        yield
