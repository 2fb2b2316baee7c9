"""Ed25519 (RFC 8032): 32 bytes of private or public key, 64 of signature.

cryptography takes 8 MB and is loaded by who signs or checks first: a quiet server needs none of it.
"""


def sign(private: bytes, signed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).sign(signed)


def public_of(private: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def is_good(public: bytes, signed: bytes, signature: bytes) -> bool:
    """Did the holder of this key sign these bytes? What is no key signed nothing."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (ValueError, InvalidSignature):
        return False
    return True
