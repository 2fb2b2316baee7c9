"""A name that is given: none looks like a certified one, and who comes near is told."""

from bongsu.channels.forms import Alike
from bongsu.core import channels as rules
from bongsu.core.errors import Refusal
from bongsu.store import channels as table
from bongsu.store.channels import Channel
from bongsu.store.database import Connection


async def check(connection: Connection, channel: Channel, now_ms: int) -> list[Alike]:
    """Those certified names that it is near to. Names are locked. 409 BONGSU_LOOKS_OFFICIAL if it looks like one."""
    marks = await table.certified(connection, channel, now_ms)
    alike = marks.get(channel.skeleton)
    if alike is not None:
        raise Refusal(409, "BONGSU_LOOKS_OFFICIAL", f"this name looks like that of a certified channel: {alike.name}")
    near = rules.resembles(channel.skeleton, marks)
    return [Alike(marks[bones].channel_id, marks[bones].name) for bones in near]
