"""A person's devices.

GET    /devices
GET    /devices/{device_id}
PUT    /devices/{device_id}
DELETE /devices/{device_id}
POST   /delete_devices
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from bongsu.core import ids, limits, uia
from bongsu.core.errors import Refusal, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.matrix.interactive import Interactive
from bongsu.matrix.sessions import Sessions
from bongsu.store.accounts import Accounts, Device


class DeviceBody(msgspec.Struct):
    """display_name: None leaves the name as it is."""

    display_name: str | None = None


class DeleteDevicesBody(msgspec.Struct):
    devices: list[str]


class Devices:
    """Lists, names and removes devices; removing asks for the password."""

    def __init__(self, accounts: Accounts, sessions: Sessions, interactive: Interactive) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._interactive = interactive

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/devices", self.list_all),
            *client_routes("GET", "/devices/{device_id}", self.show),
            *client_routes("PUT", "/devices/{device_id}", self.rename, bucket="write"),
            *client_routes("DELETE", "/devices/{device_id}", self.delete, bucket="write"),
            *client_routes("POST", "/delete_devices", self.delete_some, bucket="write"),
        ]

    async def list_all(self, request: Request) -> Response:
        devices = await self._accounts.devices(request.requester.user_id)
        return reply({"devices": [_shown(device) for device in devices]})

    async def show(self, request: Request) -> Response:
        device = await self._accounts.device(request.requester.user_id, _device_id(request))
        if device is None:
            raise _no_such_device()
        return reply(_shown(device))

    async def rename(self, request: Request) -> Response:
        user_id, device_id = request.requester.user_id, _device_id(request)
        name = (await request.read(DeviceBody)).display_name
        if request.requester.service_id is not None and await self._make(user_id, device_id, name):
            return Response(b"{}", status=201)
        if name is None:
            known = await self._accounts.device(user_id, device_id) is not None
        else:
            ids.check_text(name, "display_name", limits.DISPLAY_NAME_BYTES_MAX)
            known = await self._accounts.rename_device(user_id, device_id, name)
        if not known:
            raise _no_such_device()
        return empty()

    async def _make(self, user_id: str, device_id: str, name: str | None) -> bool:
        """Application services make devices by naming them; these have no session. False: it was there already."""
        ids.check_text(name or "", "display_name", limits.DISPLAY_NAME_BYTES_MAX)
        if not device_id:
            raise invalid_param("a device needs an id")
        return await self._accounts.put_device(user_id, device_id, name)

    async def delete(self, request: Request) -> Response:
        device_id = _device_id(request)
        return await self._delete(request, await request.json_or_empty(), [device_id])

    async def delete_some(self, request: Request) -> Response:
        asked = await request.json_or_empty()
        devices = convert(asked, DeleteDevicesBody).devices
        if len(devices) > limits.DEVICES_PER_USER_MAX:
            raise invalid_param(f"at most {limits.DEVICES_PER_USER_MAX} devices at once")
        for device_id in devices:
            ids.check_text(device_id, "devices", limits.DEVICE_ID_BYTES_MAX)
        return await self._delete(request, asked, devices)

    async def _delete(self, request: Request, asked: Mapping[str, Any], device_ids: list[str]) -> Response:
        """A device that is not there is as good as removed."""
        await self._interactive.confirm(request, asked, uia.ASK_PASSWORD)
        await self._sessions.end(request.requester.user_id, device_ids)
        return empty()


def _device_id(request: Request) -> str:
    return ids.check_text(request.params["device_id"], "device_id", limits.DEVICE_ID_BYTES_MAX)


def _no_such_device() -> Refusal:
    return not_found("you have no such device")


def _shown(device: Device) -> JsonObject:
    shown: JsonObject = {"device_id": device.device_id}
    if device.display_name is not None:
        shown["display_name"] = device.display_name
    if device.seen_address is not None:
        shown["last_seen_ip"] = device.seen_address
    if device.seen_at is not None:
        shown["last_seen_ts"] = round(device.seen_at.timestamp() * 1_000)
    return shown
