"""bongsu site init"""

from pathlib import Path

import click

from bongsu.cli.options import Stop, Wrong

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
