"""--to, as people give it: a position of the stream, or a time."""

from datetime import UTC, datetime

from bongsu.backup.problem import BackupFailed
from bongsu.backup.restore import At, Latest, Position, Target


def parse(text: str | None) -> Target:
    """A time without an offset is UTC: what a machine's clock shows depends on where it stands."""
    if text is None:
        return Latest()
    if text.isdecimal():
        return Position(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BackupFailed(f"{text} is neither a position nor a time such as 2026-05-01T12:00:00+09:00") from None
    return At(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
