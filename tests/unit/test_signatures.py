"""Signatures that a server verifies, and what is none."""

import base64

import pytest

from bongsu.core.signatures import is_good, is_public_key


def base64_of(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode().rstrip("=")


# The second test vector of RFC 8032.
PUBLIC = base64_of("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNED = b"\x72"
SIGNATURE = base64_of(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_a_good_one() -> None:
    assert is_good(PUBLIC, SIGNED, SIGNATURE)
    assert is_good(PUBLIC + "=", SIGNED, SIGNATURE + "=="), "padding does no harm"


@pytest.mark.parametrize(
    ("public", "signed", "signature"),
    [
        (PUBLIC, b"\x73", SIGNATURE),
        (PUBLIC, SIGNED, SIGNATURE[:-2]),
        (PUBLIC, SIGNED, ""),
        (PUBLIC, SIGNED, "서명"),
        (PUBLIC, SIGNED, "\ud800"),
        (PUBLIC[:-4], SIGNED, SIGNATURE),
        ("", SIGNED, SIGNATURE),
        ("A" * 43, SIGNED, SIGNATURE),
    ],
)
def test_what_is_none(public: str, signed: bytes, signature: str) -> None:
    assert not is_good(public, signed, signature)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(PUBLIC, True), (PUBLIC + "=", True), (PUBLIC[:-1], False), ("", False), ("!" * 43, False), ("열" * 43, False)],
)
def test_what_could_be_a_key(text: str, expected: bool) -> None:
    assert is_public_key(text) == expected
