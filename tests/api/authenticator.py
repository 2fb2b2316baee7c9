"""A software authenticator: it makes passkeys and signs with them, as a telephone would (WebAuthn, COSE, CBOR)."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_PRESENT, _VERIFIED, _HAS_KEY = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def data(word: str) -> bytes:
    return urlsafe_b64decode(word + "=" * (-len(word) % 4))


class Authenticator:
    """Holds one passkey. verifies: whether it asks for finger or PIN."""

    def __init__(self, origin: str, *, verifies: bool = True, counts: bool = True) -> None:
        self.origin = origin
        self.credential_id = secrets.token_bytes(32)
        self.handle = b""
        self.count = 0
        self._counts = counts
        self._key: EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
        self._flags = _PRESENT | (_VERIFIED if verifies else 0)

    def make(self, options: dict[str, Any]) -> str:
        """The answer to the options of a registration."""
        assert any(each["alg"] == -7 for each in options["pubKeyCredParams"])
        self.handle = data(options["user"]["id"])
        credential = len(self.credential_id).to_bytes(2, "big") + self.credential_id
        attested = bytes(16) + credential + cbor2.dumps(self._cose_key())
        said = self._data(options["rp"]["id"], _HAS_KEY) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": said})
        client = self._client_data("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(made)})

    def show(self, options: dict[str, Any], *, handle: bytes | None = None) -> str:
        """The answer to the options of a sign-in."""
        self.count += 1 if self._counts else 0
        said = self._data(options["rpId"], 0)
        client = self._client_data("webauthn.get", options["challenge"])
        signed = self._key.sign(said + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(said),
                "signature": text(signed),
                "userHandle": text(self.handle if handle is None else handle),
            }
        )

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([self._flags | flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _cose_key(self) -> dict[int, Any]:
        numbers = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _answer(self, response: dict[str, str]) -> str:
        word = text(self.credential_id)
        return json.dumps({"id": word, "rawId": word, "type": "public-key", "response": response})
