"""Tables for other programs and for paper, and pages of lists."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import paging
from bongsu.core.errors import Refusal
from bongsu.core.exports import csv_text, html_table


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n")), min_size=1))
def test_csv_is_read_back_and_calculates_nothing(cells: list[str]) -> None:
    [_, row] = csv.reader(io.StringIO(csv_text(["head"], [cells]).removeprefix("\ufeff")))
    assert len(row) == len(cells)
    for cell, read in zip(cells, row, strict=True):
        assert read in (cell, f"'{cell}")
        assert not read.lstrip(" ").startswith(("=", "+", "-", "@", "\t"))


def test_numbers_stay_numbers() -> None:
    assert csv_text(["a", "b"], [[-1, None]]) == '\ufeff"a","b"\r\n-1,\r\n'


def test_html_is_escaped() -> None:
    assert "<script>" not in html_table("<script>", ["<script>"], [["<script>"]])


@given(st.integers(-(2**53) + 1, 2**53 - 1), st.text("abc123", max_size=40))
def test_a_page_goes_on_where_it_ended(number: int, row_id: str) -> None:
    assert paging.place(paging.token((number, row_id))) == (number, row_id)


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é", "W10", "WzEsMV0", "A" * 1_000])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="M_INVALID_PARAM"):
        paging.place(text)
