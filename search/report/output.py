"""How tables, figures and numbers are written: CSV, images within a page, JSON."""

import base64
import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from search.report.tables.table import Table


def data_uri(svg: str) -> str:
    """A separate image for each figure: two SVG elements in one page would share ids."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def csv_text(table: Table) -> str:
    """The table as CSV, its headings first."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.headings)
    writer.writerows(table.rows)
    return stream.getvalue()


def finite(value: Any) -> Any:
    """The value with None in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
