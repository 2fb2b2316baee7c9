"""What the terminal shows when the server is ready."""

from pathlib import Path

import pytest

from bongsu.cli.serve import _show_banner
from bongsu.config import Settings
from bongsu.web import routes


@pytest.mark.parametrize("is_built", [True, False])
def test_the_messenger_is_shown_where_it_was_built(
    is_built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(routes, "DIST", tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    if is_built:
        (tmp_path / "index.html").touch()
    _show_banner(Settings(), "http://127.0.0.1:8008", [("@me:localhost", "secret")])
    shown = capsys.readouterr().out
    assert ("http://127.0.0.1:8008/app/" in shown) is is_built
    assert "@me:localhost  password secret" in shown
