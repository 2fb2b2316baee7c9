"""Who works for a channel no more, be it a person or a bot: what they had waits for somebody else.

So many conversations in one transaction; a timer, written in the same one, sees to the rest, on whichever worker comes
first. Conversations are locked before the channel's audit, as everybody does.
"""

import secrets
from collections.abc import Mapping
from typing import Final

from bongsu.channels.conversations import BOT_SILENT, Conversations
from bongsu.core import channels as rules
from bongsu.core import desk, limits
from bongsu.core.desk import State
from bongsu.core.json import JsonObject
from bongsu.core.paging import Page
from bongsu.core.scopes import Scope
from bongsu.store import channel_keys, people, timers
from bongsu.store import channels as channel_table
from bongsu.store import desk as table
from bongsu.store.database import Connection
from bongsu.store.desk import Wanted
from bongsu.store.timers import Handler, Timer

AGENT_GONE: Final = "desk.agent_gone"
BOT_GONE: Final = "desk.bot_gone"
LEFT: Final = "channel.left"
_ONE: Final = Page(1, None)


class Leaving:
    """lose_agent() and lose_bot() are for the transaction that takes a role or a key away, after it did."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._now_ms = conversations.now_ms

    def handlers(self) -> Mapping[str, Handler]:
        """Of timers, by kind."""
        return {BOT_SILENT: self._silent, AGENT_GONE: self._agent_gone, BOT_GONE: self._bot_gone, LEFT: self._left}

    async def lose_agent(self, connection: Connection, channel_id: str, agent: str, who: str) -> None:
        """who: as the audit calls those by whose doing it is."""
        for each in await table.locked_of_agent(connection, channel_id, agent, limits.DESK_LOST_AT_ONCE_MAX):
            talk = desk.lose_agent(each.talk, agent, self._now_ms())
            await self._conversations.change(connection, each, talk, who, "agent_gone", agent=agent)
        if await table.conversations(connection, channel_id, Wanted(agent=agent), _ONE):
            await self._go_on(connection, AGENT_GONE, {"channel_id": channel_id, "agent": agent, "who": who})

    async def lose_bot(self, connection: Connection, channel_id: str, who: str) -> None:
        """When the last bot lost its key."""
        for each in await table.locked_with_bot(connection, channel_id, limits.DESK_LOST_AT_ONCE_MAX):
            talk = desk.lose_bot(each.talk, self._now_ms())
            await self._conversations.change(connection, each, talk, who, "bot_gone")
        if await table.conversations(connection, channel_id, Wanted(states=(State.BOT,)), _ONE):
            await self._go_on(connection, BOT_GONE, {"channel_id": channel_id, "who": who})

    async def _go_on(self, connection: Connection, kind: str, named: JsonObject) -> None:
        """Of its own name each time: whoever replaced one that goes off just now would wait for it."""
        timer_id = f"{kind}/{named['channel_id']}/{secrets.token_hex(8)}"
        await timers.put(connection, [Timer(timer_id, kind, self._now_ms(), named)])

    async def _agent_gone(self, connection: Connection, timer: Timer) -> None:
        """The next of them, unless the agent works here again."""
        channel_id, agent = timer.payload["channel_id"], timer.payload["agent"]
        await channel_table.hold_roles(connection, channel_id, agent)
        role = await channel_table.role_of(connection, channel_id, agent)
        works_here = rules.may(role, rules.Deed.DESK) and await people.exists(connection, agent)
        if not works_here and await _is_open(connection, channel_id):
            await self.lose_agent(connection, channel_id, agent, timer.payload["who"])

    async def _bot_gone(self, connection: Connection, timer: Timer) -> None:
        """The next of them, unless there is a bot again."""
        channel_id = timer.payload["channel_id"]
        has_one = await channel_keys.hold_with(connection, channel_id, Scope.DESK_BOT.value)
        if not has_one and await _is_open(connection, channel_id):
            await self.lose_bot(connection, channel_id, timer.payload["who"])

    async def _silent(self, connection: Connection, timer: Timer) -> None:
        """A bot that does not answer hands over to people without knowing."""
        channel_id = timer.payload["channel_id"]
        found = await table.lock(connection, channel_id, timer.payload["conversation_id"])
        if found is not None and await _is_open(connection, channel_id):
            talk = desk.lose_bot(found.talk, self._now_ms(), limits.DESK_BOT_PATIENCE_MS)
            await self._conversations.change(connection, found, talk, "", "bot_silent")

    # --- who has no account any more ---

    async def account_gone(self, connection: Connection, timer: Timer) -> None:
        """Of a timer of the kind GONE: each of the channels for which they worked is seen to by itself."""
        await channel_table.put_left(connection, timer.payload["user_id"], LEFT)

    async def _left(self, connection: Connection, timer: Timer) -> None:
        """They work for the channel no more. An owner stays its owner, until the operator offers it to another."""
        channel_id, user_id = timer.payload["channel_id"], timer.payload["user_id"]
        await channel_table.lock_channel(connection, channel_id)
        role = await channel_table.role_of(connection, channel_id, user_id)
        if role is None:
            return
        if role is not rules.Role.OWNER:
            await channel_table.remove_role(connection, channel_id, user_id)
        if await _is_open(connection, channel_id):
            await self.lose_agent(connection, channel_id, user_id, "")
        if role is not rules.Role.OWNER:
            await self._conversations.note(connection, channel_id, "", "dismissed", user_id=user_id)


async def _is_open(connection: Connection, channel_id: str) -> bool:
    channel = await channel_table.channel_of(connection, channel_id)
    return channel is not None and channel.closed_ts is None
