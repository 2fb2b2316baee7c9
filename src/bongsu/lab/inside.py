"""Becomes a process of a site: joins its group and its network, gives up root, and turns into the program.

    python -I -S inside.py '{"power": …, "group": …, "network": …, "user": […], "show": {…}}' PROGRAM …

It runs alone, with nothing but the standard library, because every start of a program in a site pays for it.

A site that is powered off starts nothing: whether it is on is read under the lock that a power cut takes, so no process
slips in beside one. The user of a site's processes may be unable to walk to the programs (Python below /root). Opening
other people's folders is not ours to do, so these processes get a view of their own: the closed folder is covered by an
empty one in which nothing but what they need is mounted.
"""

import ctypes
import fcntl
import json
import os
import sys
from typing import Any, Final

NEW_NETWORK: Final = 0x40000000  # of setns and unshare (sched.h)
NEW_MOUNTS: Final = 0x00020000
BIND, RECURSIVE, PRIVATE = 1 << 12, 1 << 14, 1 << 18  # of mount (sys/mount.h)

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    told, program = json.loads(sys.argv[1]), sys.argv[2:]
    if not join(told["power"], told["group"]):
        sys.exit(0)
    if told["network"]:
        enter_network(told["network"])
    os.umask(0o022)
    if told["show"]:
        cover(told["show"])
    os.umask(0o077)
    if told["user"]:
        become(*told["user"])
    os.execvpe(program[0], program, os.environ)  # noqa: S606 -- its purpose


def join(power: str, group: str | None) -> bool:
    """Into the group of the site's processes; False when the site is off."""
    with open(power, encoding="ascii") as switch:
        fcntl.flock(switch, fcntl.LOCK_SH)
        if switch.read().strip() != "on":
            return False
        if group:
            with open(group + "/cgroup.procs", "w", encoding="ascii") as members:
                members.write(str(os.getpid()))
    return True


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter_network(path: str) -> None:
    network = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    checked(libc.setns(network, NEW_NETWORK))
    os.close(network)


def become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def cover(shown: dict[str, list[str]]) -> None:
    """shown: the paths that stay, by closed folder. Nobody else sees the change."""
    checked(libc.unshare(NEW_MOUNTS))
    mount("none", "/", None, RECURSIVE | PRIVATE)
    for closed, paths in shown.items():
        kept = [(path, keep(path)) for path in paths]
        mount("none", closed, "tmpfs", 0, "mode=0755,size=1m")
        for path, hold in kept:
            if not os.path.lexists(path):  # else it stands in one that is shown
                show(path, hold)


def keep(path: str) -> str | int:
    """What a link says, or a hold on a folder or file that will be covered."""
    return os.readlink(path) if os.path.islink(path) else os.open(path, os.O_PATH | os.O_CLOEXEC)


def show(path: str, hold: str | int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(hold, str):
        os.symlink(hold, path)
        return
    source = f"/proc/self/fd/{hold}"
    if os.path.isdir(source):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    mount(source, path, None, BIND | RECURSIVE)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    def text(value: str | None) -> Any:
        return None if value is None else os.fsencode(value)

    checked(libc.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data)))


if __name__ == "__main__":
    main()
