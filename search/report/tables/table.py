"""A table of text, for the page and for CSV files."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, a heading for each column, rows of text, and a note on how to read them."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.headings) for row in self.rows)


def p_text(p_value: float | None) -> str:
    """A p-value as papers print it; empty if there is none."""
    if p_value is None:
        return ""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
