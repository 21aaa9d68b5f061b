"""A table as plain rows, for the page and for CSV files alike."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """A heading for each column, rows of text, and what a reader must know about them."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def p_text(p_value: float | None) -> str:
    """A p-value as papers print it; nothing where there is none."""
    if p_value is None:
        return ""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
