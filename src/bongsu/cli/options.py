"""What the commands share: settings as options, and errors as one line."""

import asyncio
import errno
import functools
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click

from bongsu import logs
from bongsu.config import SETTINGS, ConfigError, Effective, Setting, resolve

T = TypeVar("T")

DATABASE: Final = ("data", "server_name", "dsn", "log_format", "log_level")  # of commands that only need the database


class Stop(click.ClickException):
    """Ends the command with one line: it could not be done."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"bongsu: {self.message}", file=file, err=file is None)


class Wrong(Stop):
    """Ends the command with one line: what was asked, or a setting, is wrong."""

    exit_code = 2


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command options for these settings (none named: all) and the Effective settings as first argument."""
    chosen = [SETTINGS[name] for name in names or SETTINGS]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*, config: Path | None, **options: Any) -> None:
            given = {setting.name: options.pop(setting.name) for setting in chosen}
            command(_resolved(given, config), **options)

        decorated: Callable[..., None] = run
        for setting in reversed(chosen):
            decorated = _option(setting)(decorated)
        path = click.Path(path_type=Path, dir_okay=False)
        return click.option("--config", type=path, help="TOML file of settings [default: <data>/bongsu.toml]")(
            decorated
        )

    return decorate


def _resolved(given: dict[str, Any], config: Path | None) -> Effective:
    try:
        return resolve(given, config=config)
    except ConfigError as error:
        raise Wrong(str(error)) from None


def _option(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    help_text = setting.description
    if setting.is_flag:
        names = f"{setting.option}/--no-{setting.option.removeprefix('--')}"
        return click.option(names, setting.name, default=None, help=f"{help_text} [default: {_word(setting.default)}]")
    if setting.default not in (None, ()):
        help_text += f" [default: {setting.default}]"
    return click.option(setting.option, setting.name, metavar=setting.name.split("_")[-1].upper(), help=help_text)


def _word(flag: bool) -> str:
    return "yes" if flag else "no"


def run_async(effective: Effective, work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` on uvloop with the log set up; what people can act on becomes one line."""
    import uvloop

    logs.configure(effective.settings.log_format, effective.settings.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except Exception as error:
        line = _explained(error, effective)
        if line is None:
            raise
        raise Stop(line) from None


def _explained(error: Exception, effective: Effective) -> str | None:
    """One line about an error that is not ours, None for one that is."""
    from bongsu.core.errors import Refusal
    from bongsu.store.database import EXHAUSTED, FORBIDDEN, GONE
    from bongsu.store.postgres_install import PostgresFailed

    settings = effective.settings
    if isinstance(error, Refusal):
        return error.message
    if isinstance(error, PostgresFailed):
        return str(error)
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {settings.host}: nothing has this name; choose another --host"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _LISTENING:
        return f"cannot listen on {settings.host} port {settings.port}: {_LISTENING[error.errno]}"
    if isinstance(error, EXHAUSTED):
        return f"the database has no room: {error}"
    if isinstance(error, FORBIDDEN):
        return f"the database refuses: {error}. Its owner must be the user that --dsn names"
    if settings.dsn is not None and isinstance(error, GONE):
        return f"the database {effective.shown('dsn')} cannot be used: {error}"
    return None


_LISTENING: Final = {
    errno.EADDRINUSE: "another program does; choose another --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose another --host",
    errno.EACCES: "only root may use this port; choose another --port",
}


def with_accounts(effective: Effective, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs `work` on the accounts of this server's database. The server may be running or not."""

    async def run() -> T:
        from bongsu import main

        async with main.open_store(effective.settings) as store:
            return await work(store.accounts)

    return run_async(effective, run())
