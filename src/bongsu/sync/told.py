"""What one connection of a sliding sync was told, and how that travels.

A connection's place is its token: a position of the stream, and what it was told of which rooms. While that is little
it stands in the token itself, and nothing is kept here: the token works on every worker, after a restart and while
nothing can be written. When it grows it is put into a table, as a version that never changes, and the token holds what
has changed since. So a connection writes seldom, and a request whose answer was lost can be repeated as it was.

Rooms are known by a hash of 48 bits, for it is only asked whether one was told, never which ones were.
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Annotated, Final

import msgspec

from bongsu.core import base64url, limits
from bongsu.core.errors import Refusal
from bongsu.core.sliding import Required

_TOKEN: Final = re.compile(r"s(0|[1-9][0-9]{0,17})(?:~([0-9]{1,18})~([A-Za-z0-9_-]*))?")
_KEY_BYTES: Final = 6
_USUAL: Final = (
    b"m.room.server_aclm.room.third_party_inviteorg.matrix.msc3401.call.memberorg.matrix.msc3401.call"
    b"im.vector.modular.widgetsm.room.guest_accessm.room.pinned_eventsm.room.canonical_aliasm.room.history_visibility"
    b"io.element.functional_membersm.room.join_rulesm.room.power_levelsm.room.tombstonem.room.encryptionm.room.create"
    b"m.space.parentm.space.childm.room.topicm.room.namem.room.avatarm.room.member$LAZY*"
)  # what tokens have in common; they are unpacked with the same


class Told(msgspec.Struct, frozen=True):
    """What was told of one room. pos: up to where, 0 for as far as the connection is; config: its required state, by
    number; limit: the longest timeline that was asked for.
    """

    pos: int
    config: int
    limit: int


class Knowledge(msgspec.Struct):
    """All that a connection was told. rooms: None for one that is to be forgotten; asked: a digest of its lists.

    extensions: those that were enabled all along.
    """

    rooms: dict[int, Told | None] = {}
    configs: list[Required] = []
    extensions: list[str] = []
    asked: int = 0
    _live: frozenset[int] | None = None

    @property
    def live(self) -> frozenset[int]:
        """The rooms of which everything was told. Looked for once: nothing here changes after that."""
        if self._live is None:
            self._live = frozenset(key for key, told in self.rooms.items() if told is not None and told.pos == 0)
        return self._live


_Position = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]  # as long as a token's
_Number = Annotated[int, msgspec.Meta(ge=0, lt=limits.SLIDING_CONFIGS_MAX)]
_Limit = Annotated[int, msgspec.Meta(ge=0, le=limits.SLIDING_TIMELINE_EVENTS_MAX)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


class _Packed(msgspec.Struct, array_like=True):
    """groups: rooms of which the same was told, (pos, config, limit, their keys); gone: keys."""

    configs: Annotated[list[list[tuple[_Name, _Name]]], msgspec.Meta(max_length=limits.SLIDING_CONFIGS_MAX)]
    extensions: list[str]
    asked: int
    groups: list[tuple[_Position, _Number, _Limit, bytes]]
    gone: bytes


_packed: Final = msgspec.msgpack.Decoder(_Packed)


def unknown_pos() -> Refusal:
    return Refusal(400, "M_UNKNOWN_POS", "this connection is not known any more. Begin a new one, without pos.")


def key_of(room_id: str) -> int:
    return int.from_bytes(blake2b(room_id.encode(), digest_size=_KEY_BYTES).digest())


def pack(knowledge: Knowledge) -> bytes:
    groups: dict[Told, list[int]] = {}
    gone: list[int] = []
    for key, told in knowledge.rooms.items():
        (gone if told is None else groups.setdefault(told, [])).append(key)
    raw = msgspec.msgpack.encode(
        _Packed(
            configs=[sorted(config.pairs) for config in knowledge.configs],
            extensions=knowledge.extensions,
            asked=knowledge.asked,
            groups=[(told.pos, told.config, told.limit, _joined(keys)) for told, keys in groups.items()],
            gone=_joined(gone),
        )
    )
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=_USUAL)
    return packer.compress(raw) + packer.flush()


def unpack(data: bytes) -> Knowledge:
    """M_UNKNOWN_POS for what this server did not pack."""
    try:
        unpacker = zlib.decompressobj(-15, zdict=_USUAL)
        packed = _packed.decode(unpacker.decompress(data, limits.SLIDING_UNPACKED_BYTES_MAX))
    except (zlib.error, msgspec.DecodeError):
        raise unknown_pos() from None
    rooms: dict[int, Told | None] = {}
    for pos, config, limit, keys in packed.groups:
        told = Told(pos, config, limit)
        rooms.update((key, told) for key in _apart(keys))
    rooms.update((key, None) for key in _apart(packed.gone))
    configs = [Required(frozenset(config)) for config in packed.configs]
    return Knowledge(rooms, configs, packed.extensions, packed.asked)


def _joined(keys: Iterable[int]) -> bytes:
    return b"".join(key.to_bytes(_KEY_BYTES) for key in keys)


def _apart(keys: bytes) -> Iterable[int]:
    return (int.from_bytes(keys[at : at + _KEY_BYTES]) for at in range(0, len(keys), _KEY_BYTES))


class Token(msgspec.Struct, frozen=True):
    """pos: up to where the connection was told all; version: in the table, 0 for none; since: what came after that."""

    pos: int
    version: int = 0
    since: bytes = b""

    def __str__(self) -> str:
        if not self.version and not self.since:
            return f"s{self.pos}"
        return f"s{self.pos}~{self.version}~{base64url.encode(self.since)}"


def read_token(text: str) -> Token:
    """M_UNKNOWN_POS for what is none of this server's."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise unknown_pos()
    try:
        since = base64url.decode(match[3] or "")
    except ValueError:
        raise unknown_pos() from None
    return Token(int(match[1]), int(match[2] or 0), since)


class Place:
    """One connection as it stands when a request comes: the version in the table, and over it what came after.

    M_UNKNOWN_POS where the two do not fit, or it has asked for more kinds of state than are worth remembering.
    """

    def __init__(self, token: Token, base: Knowledge, own: Knowledge) -> None:
        self.token = token
        self.own = own
        self.configs = [*base.configs, *own.configs]
        self.base_configs = len(base.configs)
        self._base = base
        highest = max((told.config for told in own.rooms.values() if told is not None), default=-1)
        if highest >= len(self.configs) or len(self.configs) > limits.SLIDING_CONFIGS_MAX:
            raise unknown_pos()

    def told(self, key: int) -> Told | None:
        """What was told of a room; None for nothing."""
        own = self.own.rooms
        return own[key] if key in own else self._base.rooms.get(key)

    def live(self) -> frozenset[int]:
        """The rooms of which everything was told."""
        return (self._base.live - self.own.rooms.keys()) | self.own.live

    def config(self, told: Told) -> Required:
        return self.configs[told.config]

    def whole(self, changed: Mapping[int, Told | None]) -> dict[int, Told | None]:
        """All rooms, with these changes; when there are too many, those told longest ago are left out."""
        rooms = {
            key: told for key, told in {**self._base.rooms, **self.own.rooms, **changed}.items() if told is not None
        }
        if len(rooms) > limits.SLIDING_ROOMS_MAX:
            oldest = sorted((told.pos, key) for key, told in rooms.items() if told.pos)
            for _, key in oldest[: len(rooms) - limits.SLIDING_ROOMS_MAX]:
                del rooms[key]
        return dict(rooms)


class Telling:
    """Collects what an answer changes in what the connection was told."""

    def __init__(self, place: Place, asked: int, extensions: list[str]) -> None:
        self._place = place
        self._changed: dict[int, Told | None] = {}
        self._configs = list(place.configs)
        self._asked = asked
        self._extensions = extensions

    def number(self, config: Required) -> int:
        if config in self._configs:
            return self._configs.index(config)
        self._configs.append(config)
        return len(self._configs) - 1

    def tell(self, key: int, told: Told | None) -> None:
        if self._place.told(key) != told:
            self._changed[key] = told

    @property
    def changes_anything(self) -> bool:
        own = self._place.own
        same = self._configs == self._place.configs and (self._asked, self._extensions) == (own.asked, own.extensions)
        return bool(self._changed) or not same

    def over_the_same(self) -> Knowledge:
        """What the next token has to carry over the same version."""
        rooms = {**self._place.own.rooms, **self._changed}
        rooms, configs = self._in_use(rooms, self._place.base_configs)
        return Knowledge(rooms, configs, self._extensions, self._asked)

    def _in_use(self, rooms: dict[int, Told | None], first: int) -> tuple[dict[int, Told | None], list[Required]]:
        """Without the configs from `first` on that no room has any more, where there are more than are remembered."""
        if len(self._configs) <= limits.SLIDING_CONFIGS_MAX:
            return rooms, self._configs[first:]
        used = sorted({told.config for told in rooms.values() if told is not None and told.config >= first})
        numbers = {old: first + place for place, old in enumerate(used)}
        renumbered = {
            key: told if told is None else Told(told.pos, numbers.get(told.config, told.config), told.limit)
            for key, told in rooms.items()
        }
        return renumbered, [self._configs[old] for old in used]

    def whole(self) -> Knowledge:
        """What makes a new version."""
        return Knowledge(*self._in_use(self._place.whole(self._changed), 0))

    def over_a_new_one(self) -> Knowledge:
        return Knowledge({}, [], self._extensions, self._asked)
