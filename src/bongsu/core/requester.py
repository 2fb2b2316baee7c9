"""Who asks."""

import msgspec


class Requester(msgspec.Struct, frozen=True):
    """The person and the device behind an access token. token_id: hash of the token.

    is_locked, is_suspended: core/moderation.py. service_id: of the application service that asks in this person's
    name, its device_id being "" where it named none. is_unlimited: no rate limit slows this one down.
    """

    user_id: str
    device_id: str
    token_id: bytes = b""
    is_guest: bool = False
    is_admin: bool = False
    is_locked: bool = False
    is_suspended: bool = False
    service_id: str | None = None
    is_unlimited: bool = False
