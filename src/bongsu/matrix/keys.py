"""Keys of end-to-end encryption: what devices publish, and what others fetch of it.

POST /keys/upload
POST /keys/query
POST /keys/claim
GET  /keys/changes
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bongsu.core import ids, limits, tokens
from bongsu.core import keys as rules
from bongsu.core.errors import missing_param, too_large
from bongsu.core.json import JsonObject, decode
from bongsu.core.keys import MASTER, SELF_SIGNING, USER_SIGNING, DeviceKeys, KeyObject, Signature
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.devices import ClaimKeys, UploadKeys
from bongsu.store import keys as table
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.keys import Claim
from bongsu.sync.service import Sync

_Keys = dict[str, str | KeyObject]


class UploadBody(msgspec.Struct):
    """What may be uploaded; one-time and fallback keys by "<algorithm>:<key id>"."""

    device_keys: DeviceKeys | None = None
    one_time_keys: _Keys | None = None
    fallback_keys: _Keys | None = None


class QueryBody(msgspec.Struct):
    """device_keys: the devices of each user, none for all. A timeout is for other servers, and there are none."""

    device_keys: dict[str, list[str]]


class ClaimBody(msgspec.Struct):
    """one_time_keys: the algorithm, by user and device."""

    one_time_keys: dict[str, dict[str, str]]


class Keys:
    """Publishes keys, and hands them out."""

    def __init__(self, database: Database, committer: Committer, sync: Sync) -> None:
        self._database = database
        self._committer = committer
        self._sync = sync

    def routes(self) -> list[Route]:
        return [
            *client_routes("POST", "/keys/upload", self.upload, bucket="write"),
            *client_routes("POST", "/keys/query", self.query, bucket="keys"),
            *client_routes("POST", "/keys/claim", self.claim, bucket="keys"),
            *client_routes("GET", "/keys/changes", self.changes, bucket="keys"),
        ]

    async def upload(self, request: Request) -> Response:
        raw = await request.json_or_empty()
        body = convert(raw, UploadBody)
        if not request.requester.device_id:
            raise missing_param("an application service has to name the device, by device_id")
        device = (request.requester.user_id, request.requester.device_id)
        checked = body.device_keys
        keys = None if checked is None else rules.device_keys(checked, raw["device_keys"], *device)
        one_time = rules.stored_keys(raw.get("one_time_keys") or {})
        fallback = rules.fallback_keys(raw.get("fallback_keys") or {})
        stock = await self._committer.submit(UploadKeys(*device, keys, one_time, fallback))
        return reply({"one_time_key_counts": msgspec.Raw(stock.one_time)})

    # --- what others see ---

    async def query(self, request: Request) -> Response:
        asked = (await request.read(QueryBody)).device_keys
        if len(asked) > limits.KEYS_QUERIED_MAX:
            raise too_large(f"at most {limits.KEYS_QUERIED_MAX} people at once")
        reader_id = request.requester.user_id
        user_ids = await table.people(self._database, _texts(asked))
        signatures = _by_key(await table.signatures(self._database, user_ids, reader_id))
        signing = await self._signing_keys(user_ids, reader_id, signatures)
        return reply({"failures": {}, "device_keys": await self._device_keys(asked, user_ids, signatures), **signing})

    async def _device_keys(
        self, asked: Mapping[str, list[str]], user_ids: Iterable[str], signatures: "_Signatures"
    ) -> JsonObject:
        """By user and device. Somebody without devices is there all the same: that is known now."""
        found: dict[str, JsonObject] = {user_id: {} for user_id in user_ids}
        for user_id, device_id, display_name, keys in await table.devices(self._database, list(found)):
            if not asked[user_id] or device_id in asked[user_id]:
                shown = _signed(decode(keys), signatures[user_id, device_id])
                shown["unsigned"] = {} if display_name is None else {"device_display_name": display_name}
                found[user_id][device_id] = shown
        return found

    async def _signing_keys(self, user_ids: list[str], reader_id: str, signatures: "_Signatures") -> JsonObject:
        """Cross-signing keys by user; who verified whom is for the verifying person alone."""
        found: dict[str, JsonObject] = {MASTER: {}, SELF_SIGNING: {}, USER_SIGNING: {}}
        stored = await table.cross_signing_keys(self._database, user_ids)
        for (user_id, usage), (public_key, key) in stored.items():
            if usage != USER_SIGNING or user_id == reader_id:
                found[usage][user_id] = _signed(decode(key), signatures[user_id, public_key])
        return {f"{usage}_keys": keys for usage, keys in found.items()}

    # --- claims and changes ---

    async def claim(self, request: Request) -> Response:
        asked = (await request.read(ClaimBody)).one_time_keys
        claims = [Claim(*_texts((user, device, algorithm))) for user, device, algorithm in _flat(asked)]
        if len(claims) > limits.KEYS_CLAIMED_MAX:
            raise too_large(f"at most {limits.KEYS_CLAIMED_MAX} devices at once")
        found: defaultdict[str, JsonObject] = defaultdict(dict)
        for start in range(0, len(claims), limits.KEYS_CLAIMED_AT_ONCE_MAX):
            some = claims[start : start + limits.KEYS_CLAIMED_AT_ONCE_MAX]
            for one in await self._committer.submit(ClaimKeys(some)):
                found[one.user_id][one.device_id] = {f"{one.algorithm}:{one.key_id}": msgspec.Raw(one.key)}
        return reply({"failures": {}, "one_time_keys": found})

    async def changes(self, request: Request) -> Response:
        after, up_to = tokens.parse(request.query.need("from")), tokens.parse(request.query.need("to"))
        lists = await self._sync.device_lists(request.requester.user_id, after, up_to)
        return reply({"changed": lists.changed, "left": lists.left})


_Signatures = defaultdict[tuple[str, str], list[Signature]]  # by user and key id


def _by_key(signatures: Iterable[Signature]) -> _Signatures:
    found: _Signatures = defaultdict(list)
    for signature in signatures:
        found[signature.user_id, signature.key_id].append(signature)
    return found


def _signed(key: JsonObject, signatures: Iterable[Signature]) -> JsonObject:
    """A key with what was signed of it since it was uploaded."""
    merged = {signer_id: dict(by_key) for signer_id, by_key in key.get("signatures", {}).items()}
    for one in signatures:
        merged.setdefault(one.signer_id, {})[one.signer_key] = one.signature
    return {**key, "signatures": merged} if merged else key


def _texts(texts: Iterable[str]) -> list[str]:
    return [ids.check_text(text, "an id") for text in texts]


def _flat(asked: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str, Any]]:
    return ((user_id, device_id, value) for user_id, of_user in asked.items() for device_id, value in of_user.items())
