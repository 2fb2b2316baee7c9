"""What a newcomer reads is true: paths, links, folders, commands and settings that documents name exist."""

import re
import subprocess
from pathlib import Path

import pytest

from bongsu.cli import _COMMANDS
from bongsu.config import SETTINGS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
_PATH = re.compile(r"`((?:src|tests|docs|bench|web)/[\w./-]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _anchors(document: Path) -> list[str]:
    return [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in _HEADING.findall(document.read_text())]


def _missing(document: Path) -> list[str]:
    text = document.read_text()
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    for link in _LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            missing.append(link)
    return missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_exists(document: Path) -> None:
    assert _missing(document) == []


def test_every_folder_has_its_line() -> None:
    told = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [
        path for top in ("src/bongsu", "tests") for path in (ROOT / top).iterdir() if (path / "__init__.py").exists()
    ]
    assert [str(path.relative_to(ROOT)) for path in folders if f"`{path.relative_to(ROOT)}`" not in told] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = (folder / "README.md").read_text()
    assert [
        path.name for path in folder.glob("*.md") if path.name != "README.md" and f"({path.name})" not in listed
    ] == []


def _told_settings(name: str) -> list[str]:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (ROOT / name).read_text(), re.MULTILINE)
    return [setting for row in rows for setting in re.findall(r"`(\w+)`", row)]


def test_twins_tell_of_the_same_settings_and_of_every_command() -> None:
    told = _told_settings("README.md")
    assert told == _told_settings("README.ko.md")
    assert [setting for setting in told if setting not in SETTINGS] == []
    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text()
        assert [command for command in _COMMANDS if f"bongsu {command}" not in text] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_nothing_in_it_points_out_of_it() -> None:
    """A link into somebody's own folders is of no use to anybody else, and in the way of what is made there."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert listed
    assert not [line for line in listed.splitlines() if line.startswith("120000")]
