"""Where settings come from, and the one line that stops a start."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bongsu.cli import main
from bongsu.config import SETTINGS, ConfigError, Effective, Settings, resolve


def _resolve(toml: str | None = None, environment: dict[str, str] | None = None, **options: object) -> Effective:
    """Settings of a data folder in the current folder, with this file, environment and command line."""
    Path("data").mkdir(exist_ok=True)
    if toml is not None:
        Path("data/bongsu.toml").write_text(toml)
    return resolve(options, environment=environment or {})


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_given_is_all_defaults() -> None:
    effective = _resolve()
    assert effective.settings == Settings()
    assert set(effective.origins.values()) == {"default"}


def test_each_source_wins_over_the_one_before() -> None:
    toml = 'host = "file"\nport = 1\nserver_name = "file"\n'
    effective = _resolve(toml, {"BONGSU_PORT": "2", "BONGSU_SERVER_NAME": "variable"}, server_name="option")
    settings = effective.settings
    assert (settings.host, settings.port, settings.server_name) == ("file", 2, "option")
    origins = effective.origins
    assert [origins[name] for name in ("data", "host", "port", "server_name")] == [
        "default",
        "data/bongsu.toml",
        "BONGSU_PORT",
        "--server-name",
    ]


def test_every_setting_can_come_from_every_source() -> None:
    for name, setting in SETTINGS.items():
        value = _VALUES.get(name, _words(setting.default))
        assert _resolve(None, {f"BONGSU_{name.upper()}": value}).origins[name] == f"BONGSU_{name.upper()}"
        assert _resolve(None, None, **{name: value}).origins[name] == setting.option


_VALUES = {
    "server_name": "a.example",
    "dsn": "postgres://x",
    "backup_dsn": "postgres://x",
    "public_base_url": "https://x",
    "public_sites": "https://seoul.example.org,https://busan.example.org",
    "site": "seoul",
    "peers": "busan=https://busan.example.org",
    "peer_secret": "0123456789abcdef",
    "preview_ranges": "10.7.0.0/16",
    "preview_ports": "80,8080",
    "trusted_proxies": "127.0.0.1",
    "turn_uris": "turn:turn.example.org",
    "support_page": "https://example.org/help",
    "support_admin": "admin@example.org",
    "support_security": "@security:example.org",
    "policy_server_key": "6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s",
    "patroni": "http://127.0.0.1:8009",
    "mail_from": "Bongsu <chat@example.org>",
    "etcd": "http://127.0.0.1:2379",
}


def _words(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default or "12345678")


def test_the_file_is_looked_for_in_the_data_folder_of_the_environment() -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/bongsu.toml").write_text("port = 9")
    assert _resolve("port = 8", {"BONGSU_DATA": "elsewhere"}).settings.port == 9


def test_a_named_file_may_name_the_data_folder() -> None:
    Path("my.toml").write_text('data = "elsewhere"\nopen_registration = true')
    for effective in (resolve(config=Path("my.toml"), environment={}), _resolve(None, {"BONGSU_CONFIG": "my.toml"})):
        assert effective.settings.data == Path("elsewhere")
        assert effective.settings.open_registration is True


def test_a_flag_is_told_with_its_no() -> None:
    effective = _resolve(None, None, rate_limits=False)
    assert (effective.settings.rate_limits, effective.origins["rate_limits"]) == (False, "--no-rate-limits")


def test_an_empty_variable_is_not_set() -> None:
    assert _resolve(None, {"BONGSU_DSN": "", "BONGSU_PORT": ""}).settings == Settings()


def test_variables_of_the_tests_are_not_the_servers() -> None:
    assert _resolve(None, {"BONGSU_TEST_BASE_URL": "http://x"}).settings == Settings()


def test_lists_and_addresses_are_tidied() -> None:
    settings = _resolve(
        None, {"BONGSU_TRUSTED_PROXIES": "10.0.0.1, ::1,", "BONGSU_PUBLIC_BASE_URL": "https://chat.example/"}
    ).settings
    assert (settings.trusted_proxies, settings.public_base_url) == (("10.0.0.1", "::1"), "https://chat.example")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"BONGSU_PROT": "80"},
            "BONGSU_PROT (environment) is no setting of Bongsu; did you mean BONGSU_PORT?",
        ),
        (
            {"BONGSU_port": "80"},
            "BONGSU_port (environment) is no setting of Bongsu; did you mean BONGSU_PORT?",
        ),
        ({"BONGSU_ZZZZZZ": "1"}, "BONGSU_ZZZZZZ (environment) is no setting of Bongsu"),
        ({"BONGSU_PORT": "high"}, 'BONGSU_PORT is "high"; it must be a whole number from 0 to 65535'),
        ({"BONGSU_PORT": "65536"}, 'BONGSU_PORT is "65536"; it must be a whole number from 0 to 65535'),
        ({"BONGSU_PRESENCE": "maybe"}, 'BONGSU_PRESENCE is "maybe"; it must be true or false'),
        ({"BONGSU_LOG_LEVEL": "loud"}, 'BONGSU_LOG_LEVEL is "loud"; it must be one of debug, info, warning, error'),
        ({"BONGSU_DRAIN_SECONDS": "nan"}, 'BONGSU_DRAIN_SECONDS is "nan"; it must be a number from 0 to 600'),
        (
            {"BONGSU_SERVER_NAME": "a b"},
            'BONGSU_SERVER_NAME is "a b"; it must be a host name such as "chat.example.org", with a :port if need be',
        ),
        (
            {"BONGSU_PUBLIC_BASE_URL": "chat.example"},
            'BONGSU_PUBLIC_BASE_URL is "chat.example"; it must be an address such as "https://chat.example.org"',
        ),
        (
            {"BONGSU_PUBLIC_BASE_URL": "http://[::1"},
            'BONGSU_PUBLIC_BASE_URL is "http://[::1"; it must be an address such as "https://chat.example.org"',
        ),
        (
            {"BONGSU_TRUSTED_PROXIES": "127.0.0.1,proxy"},
            'BONGSU_TRUSTED_PROXIES is ["127.0.0.1", "proxy"];'
            ' it must be addresses such as "127.0.0.1" or "10.7.0.0/16"',
        ),
        *(
            (
                {"BONGSU_DSN": dsn},
                'BONGSU_DSN is ***; it must be an address such as "postgresql://name@host/database"',
            )
            for dsn in ("mysql://host", "postgresql://me@host:high/bongsu", "postgresql://me@[::1/bongsu")
        ),
        (
            {"BONGSU_TURN_SECRET": "a"},
            "BONGSU_TURN_SECRET is ***; it must be a text of at least 8 characters",
        ),
        ({"BONGSU_CONFIG": "nowhere.toml"}, "nowhere.toml: there is no such file"),
    ],
)
def test_a_wrong_variable_is_one_line(environment: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve(None, environment)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("prot = 80", "prot in data/bongsu.toml is no setting of Bongsu; did you mean port?"),
        (
            "open-registration = true",
            "open-registration in data/bongsu.toml is no setting of Bongsu; did you mean open_registration?",
        ),
        ('port = "80"', 'port in data/bongsu.toml is "80"; it must be a whole number from 0 to 65535'),
        ("port = 80.5", "port in data/bongsu.toml is 80.5; it must be a whole number from 0 to 65535"),
        ("presence = 1", "presence in data/bongsu.toml is 1; it must be true or false"),
        ('trusted_proxies = "::1"', 'trusted_proxies in data/bongsu.toml is "::1"; it must be a list of texts'),
        ("registration_secret = 12345678", "registration_secret in data/bongsu.toml is ***; it must be a text"),
        ("[limits]\nport = 1", "limits in data/bongsu.toml is no setting of Bongsu; did you mean rate_limits?"),
        (
            'data = "x"',
            "data in data/bongsu.toml cannot name the folder this file stands in; use --data, or --config for the file",
        ),
    ],
)
def test_a_wrong_file_is_one_line(toml: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve(toml)
    assert str(caught.value) == line


def test_a_file_that_is_no_toml_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        _resolve("port = \nhost")
    assert str(caught.value).startswith("data/bongsu.toml: ")
    assert "\n" not in str(caught.value)


# --- the commands ---


def _run(*arguments: str, environment: dict[str, str | None] | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments, env=environment, prog_name="bongsu")
    return result.exit_code, result.stdout, result.stderr


def test_config_check_says_good_or_one_line_and_2() -> None:
    assert _run("config", "check") == (0, f"The settings are good (0 of {len(SETTINGS)} are not the default).\n", "")
    assert (
        _run("config", "check", "--port", "9")[1]
        == f"The settings are good (1 of {len(SETTINGS)} are not the default).\n"
    )
    wrong = 'bongsu: --port is "x"; it must be a whole number from 0 to 65535\n'
    assert _run("config", "check", "--port", "x") == (2, "", wrong)


def test_a_wrong_setting_stops_every_command_before_it_does_anything() -> None:
    line = "bongsu: BONGSU_DATTA (environment) is no setting of Bongsu; did you mean BONGSU_DATA?\n"
    for command in (["serve"], ["migrate"], ["demo"], ["user", "list"], ["config", "show"]):
        assert _run(*command, environment={"BONGSU_DATTA": "x"}) == (2, "", line)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("dsn", ["postgresql://a@h:1,[::1]:2/b", "postgresql:///b?host=/run", "postgres://a:p%40@h"])
def test_every_way_to_write_a_dsn_is_taken(dsn: str) -> None:
    assert _resolve(None, {"BONGSU_DSN": dsn}).settings.dsn == dsn


def test_a_data_folder_that_cannot_be_is_one_line() -> None:
    Path("file").touch()
    Path("torn/postgres/base").mkdir(parents=True)
    assert _run("migrate", "--data", "file")[::2] == (1, f"bongsu: {Path('file').absolute()}: File exists\n")
    code, _, line = _run("migrate", "--data", "/proc/none/data")
    assert (code, line) == (1, "bongsu: /proc/none: No such file or directory\n")
    code, _, line = _run("migrate", "--data", "torn")
    assert (code, line.count("\n")) == (1, 1)
    assert "is no whole database" in line
    assert list(Path("torn/postgres").iterdir()) == [Path("torn/postgres/base")]


def test_a_data_folder_that_cannot_be_looked_into_is_one_line() -> None:
    Path("loop").symlink_to("loop")
    for name in ("x" * 300, "loop"):
        code, _, line = _run("config", "check", "--data", name, "--config", f"{name}/bongsu.toml")
        assert (code, line.count("\n")) == (2, 1), line
    assert _run("migrate", "--data", "x" * 300) == (2, "", f"bongsu: {'x' * 300}/bongsu.toml: File name too long\n")


def test_a_password_that_is_no_text_is_one_line() -> None:
    result = CliRunner().invoke(
        main, ["user", "add", "me", "--password-stdin"], input=b"\xff\xfe\n", prog_name="bongsu"
    )
    assert (result.exit_code, result.stderr) == (2, "bongsu: the password on standard input must be UTF-8\n")


def test_config_show_tells_values_and_origins() -> None:
    code, out, _ = _run("config", "show", "--json", "--no-presence", environment={"BONGSU_PORT": "81"})
    shown = json.loads(out)
    assert code == 0
    assert shown["presence"] == {"value": False, "from": "--no-presence"}
    assert shown["port"] == {"value": 81, "from": "BONGSU_PORT"}
    assert shown["data"] == {"value": "data", "from": "default"}
    assert list(shown) == list(SETTINGS)


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_config_show_hides_secrets(extra: list[str]) -> None:
    dsn = "postgresql://me:hunter22@db.example/bongsu"
    _, out, _ = _run("config", "show", "--dsn", dsn, "--registration-secret", "hunter22hunter22", *extra)
    assert "hunter22" not in out
    assert "db.example" in out


def test_help_names_every_setting() -> None:
    code, out, _ = _run("serve", "--help")
    assert code == 0
    for setting in SETTINGS.values():
        assert setting.option in out
        assert setting.description.split()[0] in out
