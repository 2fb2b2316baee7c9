"""What belongs to devices: their keys, what is signed of them, and messages between them.

Keys are read and written at once, in the committing transaction, so that operations of one batch see each other's: a
one-time key is handed out to one of them alone. Therefore everything that may be refused is refused before the first
write. What others must hear of are rows of the stream, as everything else.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bongsu.core import keys as rules
from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, too_large
from bongsu.core.json import decode
from bongsu.core.keys import MASTER, Signature, SigningKey, StoredKey
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.store import factors, to_device
from bongsu.store import keys as table
from bongsu.store import rooms as room_table
from bongsu.store.batch import Wanted
from bongsu.store.keys import Claim, Claimed
from bongsu.store.rows import DeviceList, KeyStock, ToDevice

EVERY_DEVICE = "*"


async def tell_lists(batch: RoomBatch, user_id: str) -> None:
    """Everybody who shares a room with the person hears that their devices or keys changed."""
    rooms = await room_table.joined_rooms(batch.connection, user_id)
    batch.rows.add((user_id, ""), DeviceList(batch.rows.next_pos(), user_id, "", rooms))


async def _tell_stocks(batch: RoomBatch, devices: Iterable[table.Device]) -> list[KeyStock]:
    found = await table.stocks(batch.connection, list(devices), batch.rows.pos)
    told = [msgspec.structs.replace(stock, pos=batch.rows.next_pos()) for stock in found]
    for stock in told:
        batch.rows.add((stock.user_id, stock.device_id), stock)
    return told


class UploadKeys(msgspec.Struct, frozen=True):
    """Keys of one device. device_keys None: as they are. The result is the device's stock of keys.

    A retry changes nothing, even if a key was claimed between the two.
    """

    user_id: str
    device_id: str
    device_keys: bytes | None = None
    one_time: Sequence[StoredKey] = ()
    fallback: Sequence[StoredKey] = ()

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> KeyStock:
        device = (self.user_id, self.device_id)
        if not await table.is_device(batch.connection, *device):
            raise Refusal(
                401, "M_UNKNOWN_TOKEN", "this session has ended; sign in again", fields={"soft_logout": False}
            )
        before = await table.device_keys(batch.connection, *device)
        is_other, is_changed = self._differs(before)
        fresh = self._fresh({} if is_other else await table.digests(batch.connection, *device))
        if is_other:
            await table.forget_identity(batch.connection, *device)
        elif is_changed:
            await table.forget_signatures_of(batch.connection, *device)
        await table.put_one_time_keys(batch.connection, *device, batch.rows.pos, fresh)
        await table.put_fallback_keys(batch.connection, *device, self.fallback)
        [stock] = await _tell_stocks(batch, [device])
        if self.device_keys is not None and self.device_keys != before:
            await table.put_device_keys(batch.connection, *device, self.device_keys)
            await tell_lists(batch, self.user_id)
        return stock

    def _differs(self, before: bytes | None) -> tuple[bool, bool]:
        """(this is another identity than before, what was signed of it before is not what it says now)"""
        if before is None or self.device_keys is None or before == self.device_keys:
            return False, False
        old, new = decode(before), decode(self.device_keys)
        return old["keys"] != new["keys"], rules.essence(old) != rules.essence(new)

    def _fresh(self, known: Mapping[tuple[str, str], tuple[bytes, bool]]) -> list[StoredKey]:
        """The one-time keys that are not there yet, or were claimed and are now others."""
        fresh = []
        for key in self.one_time:
            digest, is_claimed = known.get((key.algorithm, key.key_id), (None, False))
            if digest == key.digest:
                continue
            if digest is not None and not is_claimed:
                raise invalid_param(f"there is another one-time key {key.algorithm}:{key.key_id} already")
            fresh.append(key)
        unclaimed = sum(not is_claimed for _, is_claimed in known.values())
        if unclaimed + len(fresh) > limits.ONE_TIME_KEYS_MAX:
            raise invalid_param(f"a device may keep at most {limits.ONE_TIME_KEYS_MAX} one-time keys")
        return fresh


class ClaimKeys(msgspec.Struct, frozen=True):
    """One key of each of these devices: the oldest one-time key, which nobody gets again, or the fallback key."""

    claims: Sequence[Claim]

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> list[Claimed]:
        claimed = await table.claim(batch.connection, self.claims)
        served = {(one.user_id, one.device_id) for one in claimed}
        missed = [claim for claim in self.claims if (claim.user_id, claim.device_id) not in served]
        fallback = await table.claim_fallback(batch.connection, missed) if missed else []
        changed = [*served, *((one.user_id, one.device_id) for one, was_used in fallback if not was_used)]
        if changed:
            await _tell_stocks(batch, sorted(changed))
        return [*claimed, *(one for one, _ in fallback)]


class PutCrossSigningKeys(msgspec.Struct, frozen=True):
    """A person's keys that sign keys, by use. confirmed: the person has proven who they are.

    The result is False, and nothing is changed, where keys would be replaced or added without that, or a yes on the
    account's page, which is used up. The first ones need no proof, and neither does repeating what is there.
    """

    user_id: str
    keys: Mapping[str, SigningKey]
    confirmed: bool

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> bool:
        stored = await table.cross_signing_keys(batch.connection, [self.user_id])
        present = {usage: public_key for (_, usage), (public_key, _) in stored.items()}
        new = {usage: key for usage, key in self.keys.items() if present.get(usage) != key.public_key}
        rules.check_signed(self.keys, self.user_id, present.get(MASTER))
        if not new:
            return True
        if present and not self.confirmed and not await factors.may_reset(batch.connection, self.user_id):
            return False
        devices = await to_device.devices_of(batch.connection, [self.user_id])
        rules.check_no_device_has(new, set(devices.get(self.user_id, ())))
        ended = [usage for usage in present if usage in new or (MASTER in new and usage not in self.keys)]
        put = self.keys if MASTER in new else new  # a new master key has signed the others anew
        if present:
            await factors.end_reset(batch.connection, self.user_id)
        await table.put_cross_signing_keys(batch.connection, self.user_id, list(put.values()), ended)
        await tell_lists(batch, self.user_id)
        return True


class PutSignatures(msgspec.Struct, frozen=True):
    """Signatures that a person made. They were checked; keys that changed since have other ids or are not asked for."""

    signer_id: str
    signatures: Sequence[Signature]

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        await table.put_signatures(batch.connection, self.signatures)
        signed = {signature.user_id for signature in self.signatures}
        for user_id in sorted(signed - {self.signer_id}):
            row = DeviceList(batch.rows.next_pos(), user_id, self.signer_id, [])
            batch.rows.add((user_id, self.signer_id), row)
        if self.signer_id in signed:
            await tell_lists(batch, self.signer_id)


class Message(msgspec.Struct, frozen=True):
    """content (JSON) for a device, or for all devices of the user ("*")."""

    user_id: str
    device_id: str
    content: bytes


class SendToDevice(msgspec.Struct, frozen=True):
    """Messages to devices, outside all rooms. Devices that do not exist get nothing; a retry sends nothing."""

    transaction: Transaction
    type: str
    messages: Sequence[Message]

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        known = await to_device.devices_of(batch.connection, list({message.user_id for message in self.messages}))
        addressed = self._addressed(known)
        device = (self.transaction.user_id, self.transaction.device_id)
        key = self.transaction.key("", self.type)
        if not await to_device.is_first_try(batch.connection, *device, key):
            return
        for device_id, message in addressed:
            pos = batch.rows.next_pos()
            row = ToDevice(pos, message.user_id, device_id, self.transaction.user_id, self.type, message.content)
            batch.rows.add((pos,), row)

    def _addressed(self, known: Mapping[str, Sequence[str]]) -> list[tuple[str, Message]]:
        """(device id, message). 413 for more than one request may leave behind."""
        addressed = []
        for message in self.messages:
            devices = known.get(message.user_id, ())
            some = devices if message.device_id == EVERY_DEVICE else [message.device_id]
            addressed += [(device_id, message) for device_id in some if device_id in devices]
        if len(addressed) > limits.TO_DEVICE_MESSAGES_MAX:
            raise too_large(f"at most {limits.TO_DEVICE_MESSAGES_MAX} devices at once")
        if sum(len(message.content) for _, message in addressed) > limits.TO_DEVICE_BYTES_MAX:
            raise too_large(f"at most {limits.TO_DEVICE_BYTES_MAX} bytes to all devices together")
        return addressed
