"""Messages to devices end here: a device that asks for what comes after them has them.

No sync waits for that. What a worker that dies has not deleted goes with the device's next sync, or never gets old
enough to matter.
"""

import asyncio

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import to_device
from bongsu.store.database import REFUSED, Database
from bongsu.sync.readers import Reader

_RETRY_SECONDS = 5.0


class Mailbox:
    """acknowledge() is told of every token a device comes with; run() deletes, sweep() looks after what is never asked
    for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._acknowledged: dict[tuple[str, str], int] = {}
        self._wake = asyncio.Event()

    def acknowledge(self, reader: Reader, device_id: str, told_pos: int) -> None:
        """The device has its messages up to this position."""
        waiting = reader.messages.get(device_id)
        if waiting is None or waiting.first > told_pos:
            return
        waiting.first = told_pos + 1
        if waiting.first > waiting.last:
            del reader.messages[device_id]
        self._acknowledged[reader.user_id, device_id] = told_pos
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            acknowledged, self._acknowledged = self._acknowledged, {}
            try:
                await to_device.delete(self._database, [(*device, pos) for device, pos in acknowledged.items()])
            except (Refusal, *REFUSED):  # the database is away or busy; nothing is lost by deleting later
                self._acknowledged = {**acknowledged, **self._acknowledged}
                self._wake.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(limits.TO_DEVICE_SWEEP_SECONDS)
            try:
                await to_device.delete_unclaimed(self._database)
            except (Refusal, *REFUSED):
                continue
