"""bongsu site init|drain|return|promote"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli.options import Stop, Wrong, run_async, with_settings
from bongsu.config import Effective, Settings

if TYPE_CHECKING:
    from bongsu.cluster.control import Member

_path = click.Path(path_type=Path)


@click.group("site")
def command() -> None:
    """Sites: three real hosts, who serves, who leads."""


@command.command("init")
@click.argument("description", type=_path)
@click.option("--out", required=True, type=_path, help="Folder to write; the sites' secrets and authority stay in it.")
@click.option("--packages", type=_path, help="Folder with Bongsu's wheel and lock files, for the hosts.")
@click.option("--rejoins", metavar="SITE", help="This site comes back with an empty disk; the other two live.")
def init(description: Path, out: Path, packages: Path | None, rejoins: str | None) -> None:
    """Write all that three Debian 12 hosts need, from a description (TOML) of the sites. Again: show what changed."""
    from bongsu.deploy import folder
    from bongsu.deploy.authority import OpensslFailed
    from bongsu.deploy.description import DescriptionWrong, read

    try:
        deployment = read(description)
        if rejoins is not None and rejoins not in {site.name for site in deployment.sites}:
            raise Wrong(f"{rejoins} is no site of {description}")
        changes = folder.write(deployment, out, rejoins=rejoins, packages=packages)
    except DescriptionWrong as error:
        raise Wrong(str(error)) from None
    except OpensslFailed as error:
        raise Stop(str(error)) from None
    for line in changes or ["nothing changed"]:
        click.echo(line)
    click.echo(f"{out / 'STEPS.txt'} says what to do with it.")


_with_site = with_settings("dsn", "data", "patroni_config", "log_format", "log_level")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@command.command("drain")
@_with_site
@click.argument("site")
@_yes
def drain(effective: Effective, site: str, yes: bool) -> None:
    """Empty SITE: another one leads the database, and clients are sent elsewhere. No request fails."""
    from bongsu.cluster import control

    config = _patroni_config(effective.settings)
    try:
        members = control.members(config)
        _check_site(members, site)
        heir = control.heir(members, site)
        if heir is None:
            raise Stop(f"no other site may take over now: bring them back first ({control.said(members)})")
        leads = control.leader_of(members) == site
        if not yes:
            handing = f"{heir} takes over the database, and " if leads else ""
            click.confirm(f"{site} is emptied: {handing}clients are sent elsewhere. Go on?", abort=True)
        if leads:
            control.hand_over(config, heir)
            click.echo(f"{heir} leads now.")
    except control.Refused as error:
        raise Stop(f"the lead could not be handed over: {error}") from None
    run_async(effective, _set_leaving(effective.settings, site, leaving=True))
    click.echo(
        f"{site} says that it is not ready, and answers all who are still there. Its clients move within seconds.\n"
        f"When the work is done: bongsu site return {site}"
    )


@command.command("return")
@_with_site
@click.argument("site")
def come_back(effective: Effective, site: str) -> None:
    """SITE, which was emptied, takes clients again."""
    run_async(effective, _set_leaving(effective.settings, site, leaving=False))
    click.echo(f"{site} takes clients again, as soon as it is ready.")


@command.command("promote")
@_with_site
@click.argument("site")
@_yes
def promote(effective: Effective, site: str, yes: bool) -> None:
    """Make SITE lead the database. Works from any site that is left."""
    from bongsu.cluster import control

    config = _patroni_config(effective.settings)
    try:
        members = control.members(config)
        _check_site(members, site)
        present = control.leader_of(members)
        if present == site:
            click.echo(f"{site} leads already.")
            return
        if not yes:
            now = f"{present} leads now" if present else "nobody leads now"
            click.confirm(f"{now}; {site} is to lead. Writes wait for some seconds. Go on?", abort=True)
        control.hand_over(config, site)
    except control.Refused as error:
        raise Stop(f"{site} was not made to lead: {error}") from None
    click.echo(f"{site} leads now.")


def _patroni_config(settings: Settings) -> Path:
    if settings.patroni_config is None:
        raise Wrong("which cluster? --patroni-config names this host's patroni.yml")
    return settings.patroni_config


def _check_site(members: "list[Member]", site: str) -> None:
    if site not in {member.name for member in members}:
        raise Wrong(f"there is no site {site}; there are {', '.join(member.name for member in members)}")


async def _set_leaving(settings: Settings, site: str, *, leaving: bool) -> None:
    from bongsu.store.database import Database
    from bongsu.store.leaving import set_leaving

    if settings.dsn is None:
        raise Wrong("which database? --dsn names it")
    database = Database(settings.dsn, connections_max=2)
    await database.open()
    try:
        await set_leaving(database, site, leaving)
    finally:
        await database.close()
