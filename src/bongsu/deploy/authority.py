"""The sites' own certificate authority, by the openssl command that every Debian has.

Its key stays in the output folder and goes to no host: whoever has it can be any site. A host gets one key and one
certificate, for what it serves and for what it asks (both sides of every connection show one).
"""

import ipaddress
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 730
RENEW_DAYS: Final = 240  # before its end: a third of its life, so that one forgotten year harms nobody
_EXTENSIONS: Final = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class OpensslFailed(Exception):
    """openssl is missing or said no."""


class Certificate(msgspec.Struct, frozen=True):
    """PEM texts."""

    key: str
    certificate: str

    @property
    def both(self) -> str:
        """As haproxy wants it."""
        return self.certificate + self.key


class Authority:
    """The CA in a folder; made when there is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = folder / "ca.key"
        self._certificate = folder / "ca.crt"

    def open(self) -> str:
        """Its certificate."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._key.exists():
            self._make()
        return self._certificate.read_text()

    def issue(self, name: str, names: Sequence[str]) -> Certificate:
        """The one that is kept under this name, if it fits and lives long enough; else a new one."""
        key, certificate = self._folder / f"{name}.key", self._folder / f"{name}.crt"
        if not (key.exists() and certificate.exists() and self._serves(certificate, names)):
            self._issue(key, certificate, name, names)
        return Certificate(key.read_text(), certificate.read_text())

    def _make(self) -> None:
        _new_key(self._key)
        # No path may follow (pathlen:0), and nothing but certificates and their lists may be signed.
        extensions = (
            "-addext",
            "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )
        options = ("-x509", "-new", "-key", self._key, "-subj", "/CN=Bongsu sites", "-days", str(CA_DAYS))
        _openssl("req", *options, *extensions, "-out", self._certificate)

    def _issue(self, key: Path, certificate: Path, name: str, names: Sequence[str]) -> None:
        if not key.exists():
            _new_key(key)
        with tempfile.TemporaryDirectory() as folder:
            request, extensions = Path(folder) / "request", Path(folder) / "extensions"
            extensions.write_text(_EXTENSIONS.format(names=",".join(map(_alternative, names))))
            _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
            signer = ("-CA", self._certificate, "-CAkey", self._key, "-set_serial", f"0x{_serial()}")
            days = ("-days", str(LEAF_DAYS), "-extfile", extensions)
            _openssl("x509", "-req", "-in", request, *signer, *days, "-out", certificate)

    def _serves(self, certificate: Path, names: Sequence[str]) -> bool:
        """Is it ours, for all of these names, and far from its end?"""
        seconds = str(RENEW_DAYS * 86_400)
        checks: list[tuple[str | Path, ...]] = [("x509", "-in", certificate, "-noout", "-checkend", seconds)]
        checks += [("verify", "-CAfile", self._certificate, *_asked(name), certificate) for name in names]
        return all(_says_yes(*check) for check in checks)


def _asked(name: str) -> tuple[str, str]:
    return ("-verify_ip" if _is_address(name) else "-verify_hostname", name)


def _alternative(name: str) -> str:
    return f"IP:{name}" if _is_address(name) else f"DNS:{name}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _serial() -> str:
    return _openssl("rand", "-hex", "16").strip()


def _new_key(path: Path) -> None:
    path.touch(mode=0o600)
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def _says_yes(*arguments: str | Path) -> bool:
    try:
        _openssl(*arguments)
    except OpensslFailed:
        return False
    return True


def _openssl(*arguments: str | Path) -> str:
    try:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise OpensslFailed("openssl is missing: apt-get install openssl") from None
    if done.returncode != 0:
        raise OpensslFailed(f"openssl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
