"""Chains of the audit as they are answered: who did what on a board, to an offer, for a channel; who agreed to what."""

from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.paging import Page, next_token
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.store import audit
from bongsu.store.audit import AuditEntry
from bongsu.store.rooms import Reads

QUERY: Final = ("dir", "verify", "limit", "from")


class AuditSaid(msgspec.Struct):
    """faults: what is wrong with the whole chain, if that was asked for; empty: nothing was altered."""

    entries: list[AuditEntry]
    faults: list[str] | None = None
    next_batch: str | None = None


async def audited(reads: Reads, limiter: RateLimiter, request: Request, named: str, page: Page) -> dict[str, Any]:
    """A page of a chain, with ?dir=b the newest first; verified if that is asked for."""
    if request.query.choice("dir", ("f", "b"), "f") == "b":
        before = limits.INTEGER_MAX if page.after is None else page.after[0]
        found = await audit.entries_before(reads, named, before, page.count)
    else:
        found = await audit.entries(reads, named, after(page), page.count)
    return {**paged(found, page), **await verified(reads, limiter, request, named)}


async def verified(reads: Reads, limiter: RateLimiter, request: Request, named: str) -> dict[str, Any]:
    """?verify=true: what is wrong with the whole chain, for which all of it is read."""
    if not request.query.flag("verify"):
        return {}
    await limiter.spend("export", request.requester, request.client)
    return {"faults": await audit.faults(reads, named)}


def paged(found: list[AuditEntry], page: Page) -> dict[str, Any]:
    places = [(each.number, "") for each in found]
    return {"entries": [msgspec.to_builtins(each) for each in found], **next_token(page, places)}


def after(page: Page) -> int:
    """Behind which number it begins."""
    return 0 if page.after is None else page.after[0]
