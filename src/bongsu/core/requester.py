"""Who asks."""

import msgspec


class Requester(msgspec.Struct, frozen=True):
    """The person and the device behind an access token. token_id: hash of the token."""

    user_id: str
    device_id: str
    token_id: bytes = b""
    is_guest: bool = False
    is_admin: bool = False
