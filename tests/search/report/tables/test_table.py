"""Tables of text."""

import pytest

from search.report.tables.table import Table, p_text


@pytest.mark.parametrize(
    ("p_value", "text"),
    [(None, ""), (0.0004, "< 0.001"), (0.001, "0.001"), (0.0496, "0.050"), (1.0, "1.000")],
)
def test_p_values_are_written_as_papers_do(p_value: float | None, text: str) -> None:
    assert p_text(p_value) == text


def test_every_row_has_a_cell_for_each_heading() -> None:
    Table(title="T", headings=("a", "b"), rows=(("1", "2"),))
    with pytest.raises(AssertionError):
        Table(title="T", headings=("a", "b"), rows=(("1", "2"), ("3",)))
