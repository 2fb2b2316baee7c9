"""bongsu lab: three sites on this machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from bongsu.cli.options import Stop, Wrong

if TYPE_CHECKING:
    from bongsu.lab import Lab
    from bongsu.lab.status import SiteStatus, Status

_DIR: Final = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=Path("data/lab"), show_default=True, help="Its folder."
)
_STYLES: Final = {"leader": "bold green", "standby": "cyan", "down": "bold red"}


@click.group("lab")
def command() -> None:
    """Three sites on this machine: put them up, burn one, watch the others go on."""


def _explained(run: Callable[[], Any]) -> Any:
    """What people can act on becomes one line."""
    from bongsu.cluster.binaries import EtcdMissing
    from bongsu.lab import LabFailed
    from bongsu.lab.disks import DiskFailed
    from bongsu.lab.faults import UnknownFault
    from bongsu.lab.network import NetworkFailed
    from bongsu.lab.wire import WireFailed
    from bongsu.store.postgres_install import PostgresFailed

    try:
        return run()
    except UnknownFault as error:
        raise Wrong(str(error)) from None
    except (DiskFailed, EtcdMissing, LabFailed, NetworkFailed, PostgresFailed, TimeoutError, WireFailed) as error:
        raise Stop(str(error)) from None
    except PermissionError as error:
        raise Stop(f"{error.filename}: {error.strerror}; was the laboratory put up by another user?") from None


def _load(folder: Path) -> "Lab":
    from bongsu.lab import Lab

    lab: Lab = _explained(lambda: Lab.load(folder))
    return lab


@command.command("up")
@_DIR
@click.option("--detach", is_flag=True, help="Return when all is well; the sites go on without this command.")
@click.option("--fresh", is_flag=True, help="Throw away what a laboratory in this folder had before.")
@click.option("--profile", type=click.Choice(["fast", "supported"]), default="fast", show_default=True)
@click.option("--delay-ms", type=click.FloatRange(0, 1000), help="Between sites, one way. [default: none]")
@click.option("--loss", "loss_percent", type=click.FloatRange(0, 50), help="Frames lost, of a hundred. [default: none]")
@click.option("--disk-mb", type=click.IntRange(0), default=0, help="A small disk for each site, which can be full.")
@click.option("--rate-limits", is_flag=True, help="Slow down whoever asks too often.")
@click.option("--closed-registration", is_flag=True, help="Not everybody may make an account.")
@click.option("--etcd", metavar="PATH", help="The program etcd, if it is not to be looked for.")
def up(folder: Path, detach: bool, fresh: bool, **wishes: Any) -> None:
    """Put three sites up."""
    from bongsu.lab import Lab
    from bongsu.lab.description import Wishes

    wishes["open_registration"] = not wishes.pop("closed_registration")
    started = time.monotonic()
    if fresh:
        _down(folder, wipe=True)
    lab: Lab = _explained(lambda: Lab.up(folder, Wishes(**wishes), lambda text: click.echo(text, err=True)))
    _explained(lambda: _watch_start(lab, started))
    if not detach:
        _stay(lab)


def _watch_start(lab: "Lab", started: float) -> None:
    """Progress, until every site serves."""
    from rich.live import Live

    with Live(transient=True) as live:

        def look(status: "Status") -> bool:
            live.update(_table(status, f"starting, {time.monotonic() - started:.0f} s"))
            return status.is_whole()

        status = lab.wait(look)
    _print(status, f"whole after {time.monotonic() - started:.1f} s")
    click.echo(f"Live page: {lab.page}")


def _stay(lab: "Lab") -> None:
    from rich.live import Live

    try:
        with Live() as live:
            while True:
                live.update(_table(lab.status(), "Ctrl-C takes the sites down"))
                time.sleep(1)
    except KeyboardInterrupt:
        lab.down()


@command.command("down")
@_DIR
@click.option("--wipe", is_flag=True, help="Throw away the sites' data, too.")
def down(folder: Path, wipe: bool) -> None:
    """Take the sites down. Their data stays for the next time."""
    _down(folder, wipe=wipe)


def _down(folder: Path, *, wipe: bool) -> None:
    from bongsu.lab import laboratory

    _explained(lambda: laboratory.down(folder, wipe=wipe))


@command.command("status")
@_DIR
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(folder: Path, as_json: bool) -> None:
    """Who leads, who follows, who is down."""
    lab = _load(folder)
    found = lab.status()
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print(found)
        if lab.page is not None:
            click.echo(f"Live page: {lab.page}")


def _print(status: "Status", title: str = "") -> None:
    from rich.console import Console

    Console().print(_table(status, title))


def _table(status: "Status", title: str) -> Any:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="dim")
    for name in ("site", "role", "address", "database", "etcd", "done to it"):
        table.add_column(name, no_wrap=name == "address")
    for site in status.sites:
        table.add_row(*_row(site))
    return table


def _row(site: "SiteStatus") -> list[str]:
    database = "in step" if site.is_synchronous else site.database
    return [
        site.name,
        f"[{_STYLES[site.role]}]{site.role}[/]",
        site.url,
        database,
        "yes" if site.etcd else "no",
        ", ".join(site.faults),
    ]


def _fault_command(name: str, fault: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("site")
    @_DIR
    def run(site: str, folder: Path) -> None:
        lab = _load(folder)
        _explained(lambda: lab.fault(fault, site))


_fault_command("burn", "power_off", "SITE burns: all its processes are killed, its network is gone.")
_fault_command("cut", "cut", "SITE is cut off: it lives, and nothing reaches it or leaves it.")
_fault_command("freeze", "freeze", "SITE stands still: all its processes are stopped, its network is open.")


@command.command("heal")
@click.argument("site")
@_DIR
def heal(site: str, folder: Path) -> None:
    """Take back whatever was done to SITE; what was killed starts."""
    lab = _load(folder)
    _explained(lambda: lab.heal(site))
