"""Chains of the audit as they are answered: who did what for a channel, and what a person agreed to."""

from typing import Any

import msgspec

from bongsu.core.paging import Page, next_token
from bongsu.store import audit
from bongsu.store.rooms import Reads


class AuditSaid(msgspec.Struct):
    """faults: what is wrong with the whole chain, on the first page; empty: nothing was altered."""

    entries: list[audit.AuditEntry]
    faults: list[str] | None = None
    next_batch: str | None = None


async def audited(reads: Reads, named: str, page: Page) -> dict[str, Any]:
    """A page of a chain, and on the first one what is wrong with the whole, which is read once."""
    after = 0 if page.after is None else page.after[0]
    found = await audit.entries(reads, named, after, page.count)
    checked = {} if after else {"faults": await audit.faults(reads, named)}
    entries = [msgspec.to_builtins(entry) for entry in found]
    return {"entries": entries, **checked, **next_token(page, [(each.number, "") for each in found])}
