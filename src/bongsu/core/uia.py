"""User-interactive authentication: which stages a request still has to pass (client-server API, same title).

A flow is a list of stages; whoever has completed all stages of one flow, in any order, has passed.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from bongsu.core.json import JsonObject

PASSWORD: Final = "m.login.password"  # noqa: S105 - a stage's name
EMAIL: Final = "m.login.email.identity"
OAUTH: Final = "m.oauth"
DUMMY: Final = "m.login.dummy"
REGISTRATION_TOKEN: Final = "m.login.registration_token"  # noqa: S105 - a stage's name

Flow = tuple[str, ...]
Flows = Sequence[Flow]
ASK_PASSWORD: Final[Flows] = ((PASSWORD,),)
ASK_EMAIL: Final[Flows] = ((EMAIL,),)

_sorted: Final = msgspec.json.Encoder(order="sorted")


class Session(msgspec.Struct):
    """What was proven so far, and for what: one purpose (method and path) of one person with one body.

    facts: what completed stages leave for the request itself, such as the registration token.
    """

    session_id: str
    purpose: str
    user_id: str | None
    request_hash: bytes
    completed: list[str] = []
    facts: dict[str, str] = {}

    def belongs_to(self, other: "Session") -> bool:
        """Was this session opened for the same request?"""
        mine = (self.purpose, self.user_id, self.request_hash)
        return mine == (other.purpose, other.user_id, other.request_hash)


def is_done(flows: Flows, completed: Collection[str]) -> bool:
    return any(all(stage in completed for stage in flow) for flow in flows)


def open_stages(flows: Flows, completed: Collection[str]) -> list[str]:
    """The stages that may be tried next, each once, in the order of the flows."""
    stages = dict.fromkeys(stage for flow in flows for stage in flow)
    return [stage for stage in stages if stage not in completed]


def request_hash(session_id: str, body: Mapping[str, Any], varying: Iterable[str] = ()) -> bytes:
    """What the body asks for, without `auth` and the members that clients may vary between tries.

    Keyed with the session id: bodies hold new passwords, and what is stored must not help to guess them.
    """
    left_out = {"auth", *varying}
    asked = {key: value for key, value in body.items() if key not in left_out}
    return hmac.digest(session_id.encode(), _sorted.encode(asked), hashlib.sha256)


def challenge(flows: Flows, session: Session) -> JsonObject:
    """The members of the 401 answer that say what is missing."""
    return {
        "flows": [{"stages": list(flow)} for flow in flows],
        "params": {},
        "session": session.session_id,
        "completed": session.completed,
    }
