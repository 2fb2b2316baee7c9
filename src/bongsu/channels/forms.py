"""What is read and answered over HTTP. Times: ms since the epoch; those that are read may be RFC 3339, too."""

import re
import unicodedata
from typing import Any, Final

import msgspec

from bongsu.core import channels as rules
from bongsu.core import ids, limits
from bongsu.core.channels import Agreed, Opening, Role
from bongsu.core.errors import invalid_param
from bongsu.core.json import JsonObject
from bongsu.http.request import Request
from bongsu.store.channels import Channel, ChannelPost, Follower, Mark, Staff

_MXC: Final = re.compile(r"mxc://[0-9A-Za-z.:\[\]-]{1,255}/[0-9A-Za-z_-]{1,255}")


class NewChannel(msgspec.Struct):
    """avatar: mxc. hours: when somebody is there; none: always."""

    name: str
    about: str = ""
    avatar: str | None = None
    hours: list[Opening] = []


class Changes(msgspec.Struct):
    """What is left out stays as it is. avatar "": none."""

    name: str | None = None
    about: str | None = None
    avatar: str | None = None
    hours: list[Opening] | None = None


class Appointment(msgspec.Struct):
    """owner: offers the channel to somebody, who takes it over by saying the same of themselves: who has it now
    becomes an editor. Who has it now says so of themselves to offer it no more.
    """

    role: Role


class NewPost(msgspec.Struct):
    """picture: mxc."""

    body: str
    title: str = ""
    picture: str | None = None


class Agreement(msgspec.Struct):
    """text_version: of the texts that were shown. Advertising, and that at night, are asked for apart."""

    text_version: str
    advertising: bool = False
    advertising_at_night: bool = False


class Complaining(msgspec.Struct):
    reason: str


class Button(msgspec.Struct):
    label: str
    url: str


class Picture(msgspec.Struct):
    """url: mxc. The rest is what clients lay it out by."""

    url: str
    mimetype: str = "image/jpeg"
    size: int = 0
    w: int = 0
    h: int = 0


class NewBroadcast(msgspec.Struct):
    """advertising: it is marked as such, and goes only to those who agreed to it. starts_at: now."""

    body: str
    advertising: bool
    starts_at: int | str | None = None
    picture: Picture | None = None
    buttons: list[Button] = []


class Certifying(msgspec.Struct):
    days: int = limits.CHANNEL_MARK_DAYS_MAX


# --- answers, as they are described ---


class Empty(msgspec.Struct):
    pass


class MarkSaid(msgspec.Struct):
    """Signed is the canonical JSON of all but key_id and signature, by the key at /.well-known/bongsu/channels."""

    channel_id: str
    name: str
    account: str
    valid_from: int
    valid_until: int
    key_id: str
    signature: str


class Mine(msgspec.Struct, omit_defaults=True):
    """What the person who asks is to it. offered: they may take it over."""

    follow: bool = False
    advertising: bool = False
    advertising_at_night: bool = False
    blocked: bool = False
    role: Role | None = None
    room_id: str | None = None
    offered: bool = False


class Alike(msgspec.Struct):
    """A certified channel whose name looks much like this one."""

    channel_id: str
    name: str


class ChannelSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """open_now: by its hours. resembles: told to who gives it a name."""

    channel_id: str
    account: str
    name: str
    about: str
    hours: list[Opening]
    followers: int
    created_ts: int
    open_now: bool
    avatar: str | None = None
    closed_ts: int | None = None
    mark: MarkSaid | None = None
    mine: Mine | None = None
    resembles: list[Alike] = []


class ChannelsSaid(msgspec.Struct):
    channels: list[ChannelSaid]
    next_batch: str | None = None


class StaffSaid(msgspec.Struct, omit_defaults=True):
    """offered_to: who may take the channel over, until offered_until, by appointing themselves its owner."""

    staff: list[Staff]
    offered_to: str | None = None
    offered_until: int | None = None


class PostSaid(msgspec.Struct, omit_defaults=True):
    post_id: str
    title: str
    body: str
    made_ts: int
    picture: str | None = None
    edited_ts: int | None = None


class PostsSaid(msgspec.Struct):
    posts: list[PostSaid]
    next_batch: str | None = None


class FollowersSaid(msgspec.Struct):
    followers: list[Follower]
    next_batch: str | None = None


def mark_said(mark: Mark) -> MarkSaid:
    return MarkSaid(**msgspec.structs.asdict(mark))


def mine_said(
    agreed: Agreed,
    role: Role | None = None,
    room_id: str | None = None,
    *,
    blocked: bool = False,
    offered: bool = False,
) -> Mine:
    return Mine(agreed.follow, agreed.advertising, agreed.advertising_at_night, blocked, role, room_id, offered)


def channel_said(
    channel: Channel,
    now_ms: int,
    mark: Mark | None = None,
    mine: Mine | None = None,
    resembles: list[Alike] | None = None,
) -> JsonObject:
    """A mark that holds no longer is not shown."""
    said = ChannelSaid(
        channel_id=channel.channel_id,
        account=channel.account,
        name=channel.name,
        about=channel.about,
        hours=channel.hours,
        followers=channel.followers,
        created_ts=channel.created_ts,
        open_now=channel.closed_ts is None and rules.is_open(channel.hours, now_ms),
        avatar=channel.avatar,
        closed_ts=channel.closed_ts,
        mark=mark_said(mark) if mark is not None and mark.valid_until > now_ms else None,
        mine=mine,
        resembles=resembles or [],
    )
    return dict(msgspec.to_builtins(said))


def staff_said(staff: list[Staff], channel: Channel, now_ms: int) -> JsonObject:
    is_offered = channel.offered_to is not None and channel.is_offered(channel.offered_to, now_ms)
    said = StaffSaid(staff, channel.offered_to, channel.offered_until) if is_offered else StaffSaid(staff)
    return dict(msgspec.to_builtins(said))


def post_said(post: ChannelPost) -> JsonObject:
    """Who of the staff wrote it is nobody's business."""
    said = PostSaid(post.post_id, post.title, post.body, post.made_ts, post.picture, post.edited_ts)
    return dict(msgspec.to_builtins(said))


# --- what is read ---


def id_of(request: Request, name: str) -> str:
    """One of the path."""
    return ids.check_text(request.params[name], name)


def text_of(said: str, name: str, characters_max: int, *, may_be_empty: bool = False) -> str:
    """Lines of text as they are stored."""
    text = unicodedata.normalize("NFC", said.strip())
    if len(text) > characters_max or (not text and not may_be_empty):
        raise invalid_param(f"{name} has {0 if may_be_empty else 1} to {characters_max} characters")
    if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t" for letter in text):
        raise invalid_param(f"{name} holds characters that are no text")
    return text


def picture_of(said: str | None, name: str = "picture") -> str | None:
    """ "" takes a picture away."""
    if said and not _MXC.fullmatch(said):
        raise invalid_param(f"{name} is named by its mxc:// address")
    return said or None


def about_of(said: str) -> str:
    return text_of(said, "about", limits.CHANNEL_ABOUT_CHARACTERS_MAX, may_be_empty=True)


def changed(channel: Channel, form: Changes) -> Channel:
    """The channel with what the form names. Its name is checked, and not yet compared with others."""
    if form.hours is not None:
        rules.check_hours(form.hours)
    values: dict[str, Any] = {}
    if form.name is not None:
        name = rules.check_name(form.name)
        values = {"name": name, "skeleton": rules.skeleton(name)}
    values |= {} if form.about is None else {"about": about_of(form.about)}
    values |= {} if form.avatar is None else {"avatar": picture_of(form.avatar, "avatar")}
    values |= {} if form.hours is None else {"hours": form.hours}
    return msgspec.structs.replace(channel, **values)
