"""What `bongsu site init` writes, by its properties: who may read what, who stands in which list, what is kept."""

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from bongsu.cli import main
from bongsu.config import resolve
from bongsu.deploy import authority as authorities
from bongsu.deploy.authority import Authority
from bongsu.deploy.description import Deployment, DescriptionWrong, Site, read
from bongsu.deploy.folder import write
from bongsu.deploy.units import units

NAMES = ("seoul", "busan", "daejeon")
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::3")
HEAD = 'server_name = "example.org"\npublic_name = "chat.example.org"\n'


def _description(**changed: str) -> str:
    """Three sites; `changed` replaces a text."""
    text = HEAD + "".join(
        f'[[site]]\nname = "{name}"\naddress = "{address}"\npublic_name = "{name}.chat.example.org"\n'
        for name, address in zip(NAMES, ADDRESSES, strict=True)
    )
    for before, after in changed.items():
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    path = tmp_path_factory.mktemp("description") / "sites.toml"
    path.write_text(_description())
    return read(path)


@pytest.fixture(scope="module")
def out(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out")
    write(deployment, path, rejoins=None, packages=None)
    return path


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, out: Path) -> Path:
    name: str = request.param
    return out / name


def _etc(host: Path, name: str) -> str:
    return (host / "files" / "etc" / name).read_text()


def _yaml(host: Path, name: str) -> Any:
    return yaml.safe_load(_etc(host, name))


# --- secrets ---


def test_no_secret_stands_where_others_can_read(out: Path) -> None:
    secrets: dict[str, str] = json.loads((out / "secrets.json").read_text())
    assert len(set(secrets.values())) == len(secrets)
    for path in out.rglob("*"):
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            text = path.read_text()
            assert "PRIVATE KEY" not in text, path
            assert not [name for name, secret in secrets.items() if secret in text], path
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_secrets_are_private_on_the_host_too(host: Path) -> None:
    for file in json.loads((host / "host.json").read_text())["files"]:
        text = (host / "files" / file["path"].lstrip("/")).read_text()
        is_secret = "PRIVATE KEY" in text or bool(
            re.search(r"passw|_secret|token:", text) and "systemd" not in file["path"]
        )
        assert not is_secret or file["mode"] == 0o600, file["path"]


def test_the_authority_stays_at_home(out: Path) -> None:
    key = (out / "ca" / "ca.key").read_text()
    assert not [
        path for name in NAMES for path in (out / name).rglob("*") if path.is_file() and path.read_text() == key
    ]


# --- who stands in which list ---


def test_every_site_is_everywhere_and_the_own_one_first(host: Path) -> None:
    etcd, patroni = _yaml(host, "bongsu/etcd.yml"), _yaml(host, "bongsu/patroni.yml")
    assert {part.split("=")[0] for part in etcd["initial-cluster"].split(",")} == set(NAMES)
    own = ADDRESSES[NAMES.index(host.name)]
    hosts = patroni["etcd3"]["hosts"]
    assert len(set(hosts)) == 3
    assert own in hosts[0]
    assert all(any(address in one for one in hosts) for address in ADDRESSES)
    others = [address for address in ADDRESSES if address != own]
    firewall = _etc(host, "bongsu/firewall.nft")
    assert all(address in firewall for address in others)


def test_workers_read_what_was_written_for_them(host: Path, tmp_path: Path) -> None:
    settings = resolve({}, config=host / "files/etc/bongsu/bongsu.toml", environment={}).settings
    assert settings.site == host.name
    assert {peer.split("=")[0] for peer in settings.peers} == set(NAMES) - {host.name}
    assert all(peer.split("=")[1].startswith("https://") for peer in settings.peers)
    assert settings.dsn is not None
    number = NAMES.index(host.name) + 1
    assert re.findall(r"127\.0\.77\.(\d):5432", settings.dsn)[0] == str(number)
    assert set(re.findall(r"127\.0\.77\.(\d):5432", settings.dsn)) == {"1", "2", "3"}
    assert settings.trusted_proxies == ("127.0.0.1",)
    assert settings.peer_secret == settings_of_other(host, "peer_secret")
    assert not settings.open_registration


def settings_of_other(host: Path, name: str) -> Any:
    other = host.parent / next(one for one in NAMES if one != host.name)
    return tomllib.loads(_etc(other, "bongsu/bongsu.toml"))[name]


def test_nothing_listens_in_plain_text_beyond_the_host(host: Path) -> None:
    etcd, patroni = _yaml(host, "bongsu/etcd.yml"), _yaml(host, "bongsu/patroni.yml")
    assert all(etcd[name].startswith("https://") for name in etcd if name.endswith("-urls"))
    assert etcd["client-transport-security"]["client-cert-auth"] is True
    assert etcd["peer-transport-security"]["client-cert-auth"] is True
    assert patroni["restapi"]["verify_client"] == "required"
    assert patroni["etcd3"]["protocol"] == "https"
    assert patroni["postgresql"]["listen"].startswith("127.0.77.")
    for line in _etc(host, "bongsu/tunnel.cfg").splitlines() + _etc(host, "bongsu/proxy.cfg").splitlines():
        if line.strip().startswith("bind") and "127.0.77." not in line and ":80" not in line[:12]:
            assert " ssl crt " in line, line
    for line in _etc(host, "bongsu/tunnel.cfg").splitlines():
        if "server far" in line:
            assert "verify required verifyhost" in line, line


def test_a_database_promises_what_an_acknowledgement_means(host: Path) -> None:
    shared = _yaml(host, "bongsu/patroni.yml")["bootstrap"]["dcs"]
    assert shared["synchronous_mode"] == "quorum"
    assert shared["synchronous_mode_strict"] is True
    parameters = shared["postgresql"]["parameters"]
    assert [parameters[name] for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on"] * 3


# --- a PostgreSQL that speaks TLS itself ---


def test_a_given_postgresql_speaks_tls_itself(deployment: Deployment, tmp_path: Path) -> None:
    given = msgspec.structs.replace(deployment, postgres_bin="/usr/lib/postgresql/18/bin")
    write(given, tmp_path, rejoins=None, packages=None)
    for name in NAMES:
        host = tmp_path / name
        dsn = tomllib.loads(_etc(host, "bongsu/bongsu.toml"))["dsn"]
        assert "sslmode=verify-full&sslrootcert=/etc/bongsu/tls/ca.crt" in dsn
        postgresql = _yaml(host, "bongsu/patroni.yml")["postgresql"]
        assert postgresql["parameters"]["ssl"] == "on"
        assert {account["sslmode"] for account in postgresql["authentication"].values()} == {"verify-full"}
        assert not [
            rule for rule in postgresql["pg_hba"] if rule.startswith(("host ", "hostnossl ")) and "reject" not in rule
        ]
        assert not (host / "files/etc/bongsu/tunnel.cfg").exists()
        assert "bongsu-tunnel.service" not in json.loads((host / "host.json").read_text())["starts"]


# --- again ---


def test_a_second_time_changes_nothing(deployment: Deployment, out: Path) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert write(deployment, out, rejoins=None, packages=None) == []
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_change_is_shown_and_secrets_are_not(deployment: Deployment, out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    changed = write(msgspec.structs.replace(deployment, workers=3), tmp_path / "out", rejoins=None, packages=None)
    assert "+    server worker-8012 127.0.0.1:8012" in changed
    changed = write(deployment, tmp_path / "out", rejoins="busan", packages=None)
    assert "changed  busan/etc/bongsu/etcd.yml (it holds secrets)" in changed
    assert not [line for line in changed if "seoul" in line and "etcd" in line]
    secrets = json.loads((out / "secrets.json").read_text()).values()
    assert not [line for line in changed for secret in secrets if secret in line]


def test_a_certificate_is_renewed_for_another_address_and_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    authority.open()
    first = authority.issue("a", ["192.0.2.1", "a.bongsu.internal"])
    assert authority.issue("a", ["192.0.2.1", "a.bongsu.internal"]) == first
    moved = authority.issue("a", ["192.0.2.9", "a.bongsu.internal"])
    assert moved.certificate != first.certificate
    assert moved.key == first.key
    monkeypatch.setattr(authorities, "RENEW_DAYS", authorities.LEAF_DAYS + 1)
    assert authority.issue("a", ["192.0.2.9", "a.bongsu.internal"]).certificate != moved.certificate


def test_a_certificate_is_for_its_names_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.open()
    authority.issue("a", ["192.0.2.1", "a.bongsu.internal"])
    check = ["openssl", "verify", "-CAfile", str(tmp_path / "ca.crt")]
    for asked, expected in ((("-verify_ip", "192.0.2.1"), 0), (("-verify_hostname", "b.bongsu.internal"), 2)):
        done = subprocess.run([*check, *asked, str(tmp_path / "a.crt")], capture_output=True, check=False)
        assert done.returncode == expected


# --- what the programs themselves say of it ---


def test_rules_of_the_firewall_are_valid(host: Path) -> None:
    if shutil.which("nft", path="/usr/sbin:/sbin") is None:
        pytest.skip("nft is missing here")
    rules = host / "files/etc/bongsu/firewall.nft"
    done = subprocess.run(["/usr/sbin/nft", "-c", "-f", str(rules)], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft checks rules for root alone")
    assert done.returncode == 0, done.stderr


def test_every_unit_runs_as_somebody_and_comes_back(deployment: Deployment) -> None:
    for unit in units(deployment):
        if unit.name.endswith(".timer"):
            assert "OnCalendar=" in unit.text
            continue
        is_root = "User=" not in unit.text
        assert not is_root or unit.name in ("bongsu-firewall.service", "bongsu-tunnel.service", "bongsu-proxy.service")
        assert "Restart=always" in unit.text or "Type=oneshot" in unit.text, unit.name


# --- what is refused ---


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"busan": "seoul"}, "the same name"),
        ({"192.0.2.2": "192.0.2.1"}, "the same address"),
        ({"192.0.2.2": "somewhere"}, "no IP address"),
        ({'name = "busan"': 'name = "ca"'}, "no name for a site"),
        ({"public_name": "publicname"}, "publicname"),
        ({HEAD: HEAD + "workers = 0\n"}, ">= 1"),
    ],
)
def test_a_wrong_description_is_one_line(changed: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text(_description(**changed))
    with pytest.raises(DescriptionWrong, match=re.escape(said)):
        read(path)


def test_two_sites_are_no_three(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text(_description().rpartition("[[site]]")[0])
    result = CliRunner().invoke(main, ["site", "init", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_numbers_follow_the_description(deployment: Deployment) -> None:
    assert [site.number for site in deployment.sites] == [1, 2, 3]
    assert isinstance(deployment.sites[0], Site)


def test_the_supported_settings_are_one_switch_away(deployment: Deployment, out: Path, tmp_path: Path) -> None:
    slow = msgspec.structs.replace(deployment, switching="supported")
    write(slow, tmp_path, rejoins=None, packages=None)
    for folder, is_changed, ttl in ((out, True, 5), (tmp_path, False, 20)):
        patroni = _yaml(folder / "seoul", "bongsu/patroni.yml")
        assert patroni["bootstrap"]["dcs"]["ttl"] == ttl
        assert bool(patroni["bongsu"]) is is_changed
