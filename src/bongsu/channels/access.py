"""The channel that a request is about, for those who may."""

from typing import Final

from bongsu.channels.forms import id_of
from bongsu.core.channels import Deed, check_may
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.moderation import suspended
from bongsu.http.request import Request
from bongsu.store import channels as table
from bongsu.store.channels import Channel
from bongsu.store.database import Connection
from bongsu.store.rooms import Reads

BASE: Final = "/_bongsu/v1/channels"
ONE: Final = f"{BASE}/{{channel_id}}"


def no_channel() -> Refusal:
    return not_found("there is no such channel")


def closed() -> Refusal:
    return Refusal(409, "BONGSU_CHANNEL_CLOSED", "this channel is closed")


def subject(channel_id: str) -> str:
    """Under which the audit tells of it."""
    return f"channel/{channel_id}"


def check_may_begin(request: Request, what: str) -> None:
    """Who is suspended changes nothing that others see, and a guest is gone tomorrow."""
    if request.requester.is_suspended:
        raise suspended()
    if request.requester.is_guest:
        raise forbidden(f"guests {what} no channels: make an account first")


async def channel_seen(reads: Reads, request: Request) -> Channel:
    """Of the path. Everybody may look at its home, also when it is closed."""
    channel = await table.channel_of(reads, id_of(request, "channel_id"))
    if channel is None:
        raise no_channel()
    return channel


async def channel_for(reads: Reads, request: Request, deed: Deed) -> Channel:
    """To look at what is not for everybody."""
    channel = await channel_seen(reads, request)
    check_may(await table.role_of(reads, channel.channel_id, request.requester.user_id), deed)
    return channel


async def locked_for(
    connection: Connection, request: Request, deed: Deed, *, may_be_closed: bool = False, or_admin: bool = False
) -> Channel:
    """To change it, in the caller's transaction. Who may not learns it before anything is locked."""
    if request.requester.is_suspended:
        raise suspended()
    is_let = or_admin and request.requester.is_admin
    await (channel_seen(connection, request) if is_let else channel_for(connection, request, deed))
    channel = await table.lock_channel(connection, id_of(request, "channel_id"))
    assert channel is not None  # none is ever deleted
    if not is_let:
        check_may(await table.role_of(connection, channel.channel_id, request.requester.user_id), deed)
    if channel.closed_ts is not None and not may_be_closed:
        raise closed()
    return channel
