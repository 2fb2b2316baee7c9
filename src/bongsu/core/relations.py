"""How events point at others (client-server API, "Forming relationships between events")."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

ANNOTATION: Final = "m.annotation"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"
REFERENCE: Final = "m.reference"
MAIN_TIMELINE: Final = "main"  # as the id of a thread: everything that is in none


class RelatesTo(msgspec.Struct, frozen=True):
    """What m.relates_to says: this event stands to `parent_id` as `rel_type`. key: of an annotation."""

    rel_type: str
    parent_id: str
    key: str | None = None


def is_in_thread(event_id: str, lineage: Sequence[tuple[str, str]], thread_id: str) -> bool:
    """Does the event belong to this thread, or to the main timeline where thread_id is "main"?

    lineage: (parent, relation) of the event and of its ancestors, nearest first. The root of a thread is in the main
    timeline, and so is what relates to it otherwise than as an answer; as the beginning of its thread it counts too.
    """
    root = next((parent for parent, rel_type in lineage if rel_type == THREAD), None)
    if thread_id == MAIN_TIMELINE:
        return root is None
    return thread_id == root if root is not None else thread_id in (event_id, *(parent for parent, _ in lineage))


def relates_to(content: Mapping[str, Any]) -> RelatesTo | None:
    """The relation an event's content states; None for none, for a bare reply, and for a malformed one."""
    stated = content.get("m.relates_to")
    if not isinstance(stated, dict):
        return None
    rel_type, parent_id, key = stated.get("rel_type"), stated.get("event_id"), stated.get("key")
    if not isinstance(rel_type, str) or not isinstance(parent_id, str) or "\x00" in rel_type + parent_id:
        return None
    if len(rel_type) > 255 or len(parent_id) > 255:
        return None
    return RelatesTo(rel_type, parent_id, key if isinstance(key, str) and "\x00" not in key else None)
