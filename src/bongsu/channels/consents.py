"""What a person agrees to and withdraws: the ledger's entry and what follows from it, in one transaction."""

from hashlib import sha256

from bongsu.core import channels as rules
from bongsu.core import limits
from bongsu.core.channels import TEXT_VERSION, TEXTS, Agreed, Consent
from bongsu.core.errors import full
from bongsu.core.webhooks import Type
from bongsu.store import audit, webhooks
from bongsu.store import channels as table
from bongsu.store.audit import Deed
from bongsu.store.channels import Channel
from bongsu.store.database import Connection

AGREED = "agreed"
WITHDREW = "withdrew"


def text_hash(consent: Consent) -> str:
    """SHA-256 of both texts as they were shown, Korean first."""
    return sha256("\n".join(TEXTS[consent]).encode()).hexdigest()


async def change(
    connection: Connection, channel: Channel, user_id: str, wanted: Agreed, how: str, now_ms: int
) -> Agreed:
    """What holds after it. The person is locked (store.channels.lock_person). how: by which means it was said."""
    before = await table.agreed(connection, channel.channel_id, user_id)
    changed = rules.changes(before, wanted)
    if not changed:
        return before
    if wanted.follow and not before.follow:
        await _check_may_follow(connection, user_id)
    deeds = [_deed(channel, user_id, consent, how, given=given) for consent, given in changed]
    await audit.add(connection, table.ledger_of(user_id), deeds, now_ms)
    await table.set_agreed(connection, channel.channel_id, user_id, wanted, now_ms)
    if before.follow != wanted.follow:
        kind = Type.FOLLOWER_ADDED if wanted.follow else Type.FOLLOWER_REMOVED
        await webhooks.put(connection, channel.channel_id, kind, {"user_id": user_id, "how": how}, now_ms)
    return wanted


async def _check_may_follow(connection: Connection, user_id: str) -> None:
    if await table.followed_count(connection, user_id) >= limits.CHANNELS_FOLLOWED_MAX:
        most = limits.CHANNELS_FOLLOWED_MAX
        raise full(f"one person follows at most {most} channels")


async def withdraw(
    connection: Connection, channel: Channel, user_id: str, consent: Consent, how: str, now_ms: int
) -> bool:
    """With all that rests upon it. False: it was not there. Takes the person's lock."""
    await table.lock_person(connection, user_id)
    before = await table.agreed(connection, channel.channel_id, user_id)
    return await change(connection, channel, user_id, before.without(consent), how, now_ms) != before


def _deed(channel: Channel, user_id: str, consent: Consent, how: str, *, given: bool) -> Deed:
    named = {"channel_id": channel.channel_id, "channel": channel.name, "consent": consent.value, "how": how}
    text = {"text_version": TEXT_VERSION, "text_sha256": text_hash(consent)} if given else {}
    return Deed(user_id, AGREED if given else WITHDREW, {**named, **text})
