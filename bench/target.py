"""A running server with the people and rooms that the scenarios share. What is built once is used again."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

from bench.api import Api, User, each
from bench.peers import Server
from bench.sizes import Sizes

CHAT_TIMELINE_LIMIT = 100  # a reader that is a little late still gets everything in one sync
Advance = Callable[[], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]


class Reader(msgspec.Struct, frozen=True):
    """A person with one device that syncs: what a load process needs to go on from where they are."""

    user: User
    room_id: str
    filter_id: str
    since: str

    def at(self, tokens: dict[str, str]) -> "Reader":
        """Where these sync tokens, by user id, say that they went on to."""
        return msgspec.structs.replace(self, since=tokens.get(self.user.user_id, self.since))


class Group(msgspec.Struct, frozen=True):
    """A room and the people in it."""

    room_id: str
    members: list[User]


class Target:
    def __init__(self, server: Server, api: Api, sizes: Sizes, stage: Stage, first_start_seconds: float) -> None:
        self.server = server
        self.api = api
        self.sizes = sizes
        self.first_start_seconds = first_start_seconds
        self._stage = stage
        self._users: list[User] = []
        self._groups: list[Group] = []
        self._readers: list[Reader] = []

    @property
    def name(self) -> str:
        return self.server.peer.name

    def stage(self, what: str, total: int) -> AbstractContextManager[Advance]:
        """Shows a progress bar; the value advances it by one."""
        return self._stage(f"{self.name}: {what}", total)

    async def users(self, count: int) -> list[User]:
        """The first `count` people, registered as far as they are missing."""
        names = [f"user{number}" for number in range(len(self._users), count)]
        if names:
            with self.stage(f"registering {len(names)} people", len(names)) as advance:
                self._users += await each(names, self.api.register, advance=advance)
        return self._users[:count]

    async def groups(self, count: int) -> list[Group]:
        """The first `count` rooms of group_members people; nobody is in two of them."""
        size = self.sizes.group_members
        users = await self.users(count * size)
        missing = range(len(self._groups), count)
        if missing:
            with self.stage(f"building {len(missing)} rooms of {size}", len(missing)) as advance:
                self._groups += await each(
                    [users[number * size : (number + 1) * size] for number in missing], self._group, advance=advance
                )
        return self._groups[:count]

    async def _group(self, members: list[User]) -> Group:
        room_id = await self.api.create_room(members[0], "a room of ten")
        for member in members[1:]:
            await self.api.join(member, room_id)
        return Group(room_id, members)

    async def readers(self, count: int) -> list[Reader]:
        """The first `count` people of the groups, each with a sync token."""
        groups = await self.groups(-(-count // self.sizes.group_members))
        pairs = [(group.room_id, member) for group in groups for member in group.members]
        missing = pairs[len(self._readers) : count]
        if missing:
            with self.stage(f"first sync of {len(missing)} readers", len(missing)) as advance:
                self._readers += await each(missing, lambda place: self.reader(place[1], place[0]), advance=advance)
        return self._readers[:count]

    async def reader(self, user: User, room_id: str) -> Reader:
        """Somebody in the room, with a device that has synced."""
        filter_id = await self.api.upload_filter(user, CHAT_TIMELINE_LIMIT)
        return Reader(user, room_id, filter_id, await self.api.next_batch(user, filter_id=filter_id))

    def moved(self, tokens: dict[str, str]) -> None:
        """Readers went on to these sync tokens, by user id."""
        self._readers = [reader.at(tokens) for reader in self._readers]
