"""Who acts in the demo's services: each signs in when there is something to do, and out at the end."""

from collections.abc import Mapping

from bongsu.core.ids import user_id
from bongsu.demo.asking import Asking, Served


class Cast:
    """passwords: by user id."""

    def __init__(self, served: Served, passwords: Mapping[str, str], server_name: str) -> None:
        self._served = served
        self._passwords = passwords
        self._server_name = server_name
        self._here: dict[str, Asking] = {}

    def user(self, localpart: str) -> str:
        return user_id(localpart, self._server_name)

    def alias(self, localpart: str) -> str:
        return f"#{localpart}:{self._server_name}"

    async def person(self, localpart: str) -> Asking:
        if localpart not in self._here:
            asking = Asking(self._served, self.user(localpart))
            await asking.sign_in(self._passwords[asking.user_id])
            self._here[localpart] = asking
        return self._here[localpart]

    async def leave(self) -> None:
        while self._here:
            await self._here.popitem()[1].sign_out()
