"""The Date header, as RFC 9110 has it."""

from email.utils import parsedate_to_datetime

import pytest

from bongsu.http.server import date_of


@pytest.mark.parametrize(
    ("seconds", "date"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),  # the example of the standard
        (1_582_934_400.999, "Sat, 29 Feb 2020 00:00:00 GMT"),
    ],
)
def test_a_date_is_in_english_and_in_whole_seconds(seconds: float, date: str) -> None:
    assert date_of(seconds) == date
    assert parsedate_to_datetime(date).timestamp() == int(seconds)


def test_every_month_and_day_is_read_back() -> None:
    for day in range(366):
        assert parsedate_to_datetime(date_of(day * 86_400)).timestamp() == day * 86_400
