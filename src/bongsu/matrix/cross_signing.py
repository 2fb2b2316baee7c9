"""Cross-signing: keys that vouch for devices and for other people.

POST /keys/device_signing/upload
POST /keys/signatures/upload
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec

from bongsu.core import ids, limits, uia
from bongsu.core import keys as rules
from bongsu.core.errors import Refusal, not_found, too_large
from bongsu.core.json import JsonObject, decode
from bongsu.core.keys import MASTER, SELF_SIGNING, USER_SIGNING, CrossSigningKey, Signature, Signed
from bongsu.core.signatures import ED25519
from bongsu.http.place import Place
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.matrix.interactive import Interactive
from bongsu.rooms.devices import PutCrossSigningKeys, PutSignatures
from bongsu.store import keys as table
from bongsu.store.accounts import Accounts
from bongsu.store.committer import Committer
from bongsu.store.database import Database


class KeysBody(msgspec.Struct):
    """Those that are missing stay as they are, but for those that a new master key leaves unsigned."""

    master_key: CrossSigningKey | None = None
    self_signing_key: CrossSigningKey | None = None
    user_signing_key: CrossSigningKey | None = None


_BY_PAGE: Final[uia.Flows] = ((uia.OAUTH,), ("org.matrix.cross_signing_reset",))  # today's name, and that before
SignaturesBody = dict[str, dict[str, JsonObject]]  # signed objects by user and key id


class CrossSigning:
    """Takes keys that sign, and signatures."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        interactive: Interactive,
        accounts: Accounts,
        place: Place,
    ) -> None:
        self._database = database
        self._committer = committer
        self._interactive = interactive
        self._accounts = accounts
        self._place = place

    def routes(self) -> list[Route]:
        return [
            *client_routes("POST", "/keys/device_signing/upload", self.upload_keys, bucket="write"),
            *client_routes("POST", "/keys/signatures/upload", self.upload_signatures, bucket="write"),
        ]

    async def upload_keys(self, request: Request) -> Response:
        """The first keys need no proof of who is there; whoever would replace them gives one."""
        raw = await request.json_or_empty()
        body = convert(raw, KeysBody)
        user_id = request.requester.user_id
        given = {MASTER: body.master_key, SELF_SIGNING: body.self_signing_key, USER_SIGNING: body.user_signing_key}
        keys = {
            usage: rules.signing_key(usage, key, raw[f"{usage}_key"], user_id)
            for usage, key in given.items()
            if key is not None
        }
        if not await self._committer.submit(PutCrossSigningKeys(user_id, keys, confirmed=False)):
            await self._confirm(request, raw)
            await self._committer.submit(PutCrossSigningKeys(user_id, keys, confirmed=True))
        return empty()

    async def _confirm(self, request: Request, raw: JsonObject) -> None:
        """The password; or, for apps that never saw it (OAuth 2.0), a yes on the account's page, which is still to
        be said: one that was said has been taken already.
        """
        who = request.requester
        device = await self._accounts.device(who.user_id, who.device_id)
        if device is None or device.client_id is None:
            await self._interactive.confirm(request, raw, uia.ASK_PASSWORD)
            return
        url = f"{self._place.base_url(request)}/account?action=org.matrix.cross_signing_reset"
        asked = uia.challenge(_BY_PAGE, uia.Session(secrets.token_urlsafe(24), "", who.user_id, b""))
        raise Refusal(401, "", "", fields={**asked, "params": {stage: {"url": url} for (stage,) in _BY_PAGE}})

    async def upload_signatures(self, request: Request) -> Response:
        """What is good is stored; what is not comes back with the reason."""
        asked = convert(await request.json_or_empty(), SignaturesBody)
        if sum(map(len, asked.values())) > limits.SIGNATURES_MAX:
            raise too_large(f"at most {limits.SIGNATURES_MAX} signatures at once")
        signer = await self._signer(request.requester.user_id, list(asked))
        signatures: list[Signature] = []
        failures: dict[str, JsonObject] = {}
        for user_id, signed in asked.items():
            for key_id, key in signed.items():
                try:
                    signatures += signer.signatures(user_id, key_id, key)
                except Refusal as refusal:
                    said = {"errcode": refusal.errcode, "error": refusal.message}
                    failures.setdefault(user_id, {})[key_id] = said
                await asyncio.sleep(0)  # each takes about 0.1 ms, and others are waiting
        if signatures:
            await self._committer.submit(PutSignatures(request.requester.user_id, signatures))
        return reply({"failures": failures})

    async def _signer(self, signer_id: str, user_ids: list[str]) -> "_Signer":
        known = [user_id for user_id in user_ids if ids.is_user_id(user_id)]
        signing = await table.cross_signing_keys(self._database, [signer_id, *known])
        devices = await table.devices(self._database, [signer_id])
        return _Signer(signer_id, signing, {device_id: keys for _, device_id, _, keys in devices})


class _Signer:
    """Knows what a person may sign: their own devices with the self-signing key, their own master key with a device,
    other people's master keys with the user-signing key.
    """

    def __init__(
        self, user_id: str, signing: Mapping[tuple[str, str], tuple[str, bytes]], devices: Mapping[str, bytes]
    ) -> None:
        self._user_id = user_id
        self._signing = signing
        self._devices = devices

    def signatures(self, user_id: str, key_id: str, key: JsonObject) -> list[Signature]:
        """The signatures that count. Refuses a key that is not there, is another, or is not signed by who may."""
        stored, signers = self._what(user_id, key_id)
        signed = rules.essence(key)
        if rules.essence(decode(stored)) != signed:
            raise rules.invalid_signature("this is not the key that is known here")
        if not signers:
            raise rules.invalid_signature("you have no key that may sign it")
        given = convert(key, Signed).signatures
        names = [name for name in signers if name in given.get(self._user_id, {})] or list(signers)[:1]
        return [
            Signature(
                user_id,
                key_id,
                self._user_id,
                name,
                rules.good_signature(given, signed, self._user_id, name, signers[name]),
            )
            for name in names
        ]

    def _what(self, user_id: str, key_id: str) -> tuple[bytes, Mapping[str, str]]:
        """The stored key, and the keys that may sign it: public keys by name."""
        public_key, master_key = self._signing.get((user_id, MASTER), ("", b""))
        if user_id != self._user_id:
            if key_id == public_key:
                return master_key, self._own(USER_SIGNING)
        elif key_id in self._devices:
            return self._devices[key_id], self._own(SELF_SIGNING)
        elif key_id == public_key:
            return master_key, self._of_devices()
        raise not_found("there is no such key, or it is not yours to sign")

    def _own(self, usage: str) -> Mapping[str, str]:
        found = self._signing.get((self._user_id, usage))
        return {} if found is None else {f"{ED25519}{found[0]}": found[0]}

    def _of_devices(self) -> Mapping[str, str]:
        names = {f"{ED25519}{device_id}": keys for device_id, keys in self._devices.items()}
        return {name: decode(keys)["keys"].get(name, "") for name, keys in names.items()}
