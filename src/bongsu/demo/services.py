"""Fills the services, each through its own doors. What was not finished is taken up by the next start."""

from collections.abc import Callable
from typing import Final

from bongsu import demo_accounts
from bongsu.core.errors import Refusal
from bongsu.core.ids import user_id
from bongsu.core.json import encode
from bongsu.core.templates import Action
from bongsu.demo import SERVICES_FILLED, Worker, bed_board, filling, news_channel, vaccinations
from bongsu.demo.cast import Cast
from bongsu.demo.people import PEOPLE
from bongsu.rooms.personal import SetAccountData
from bongsu.store.database import Connection

_MARK_DAYS: Final = 365
_BOARD: Final = "avatar-demo-coordinator"
_PICTURES: Final = ("avatar-channel", "hills-day", "tea")


async def fill(worker: Worker, announce: Callable[[str], None]) -> None:
    """Raises a Refusal where a service says no, or somebody else has one of the names of the people."""
    await filling.gather_people(worker)
    name = worker.settings.server_name
    passwords = {account.user_id: account.password for account in demo_accounts.read(worker.settings.data)}
    cast = Cast(worker.app, passwords, name)
    try:
        announce("Making the demo: its bed board, bookings and channel")
        picture = await filling.draw(worker, cast.user(bed_board.COORDINATOR), _BOARD)
        await bed_board.fill(cast, picture.uri)
        await vaccinations.fill(cast)
        await _fill_channel(worker, cast)
    except TimeoutError:
        raise Refusal(503, "M_UNKNOWN", "a service took too long; the next start goes on") from None
    finally:
        await cast.leave()
    first = user_id(PEOPLE[0].localpart, name)
    await worker.committer.submit(SetAccountData(first, "", SERVICES_FILLED, encode({"services": True})))


async def _fill_channel(worker: Worker, cast: Cast) -> None:
    """This server gives the mark, and approves the text, as whoever runs it would."""
    owner = cast.user(news_channel.OWNER)
    files = {filling.shown_as(name): (await filling.draw(worker, owner, name)).uri for name in _PICTURES}
    channel_id, template_id = await news_channel.fill(cast, files)
    await worker.database.write(lambda connection: worker.marks.certify(connection, channel_id, _MARK_DAYS, ""))
    which = (template_id, 1)
    try:
        await worker.database.write(
            lambda connection: worker.templates.decide(connection, which, Action.APPROVE, "", "")
        )
    except Refusal as refusal:
        if refusal.errcode != "BONGSU_WRONG_STATE":  # it is approved already
            raise


async def _approve(worker: Worker, connection: Connection, template_id: str) -> None:
    await worker.templates.decide(connection, (template_id, 1), Action.APPROVE, "", "")
