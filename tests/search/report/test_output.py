"""Tables as CSV, figures within a page, numbers as JSON."""

import base64
import math

from search.report.output import csv_text, data_uri, finite
from search.report.tables.table import Table


def test_a_table_is_written_with_its_headings_and_quotes() -> None:
    table = Table(title="T", headings=("a", "b"), rows=(("1", "x, y"),))
    assert csv_text(table) == 'a,b\n1,"x, y"\n'


def test_a_figure_is_an_image_of_its_own() -> None:
    head, _, data = data_uri("<svg/>").partition("base64,")
    assert head == "data:image/svg+xml;"
    assert base64.b64decode(data) == b"<svg/>"


def test_numbers_that_json_does_not_have_become_none_at_any_depth() -> None:
    assert finite({"a": [math.nan, (math.inf, 1.5)], 2: "nan"}) == {"a": [None, [None, 1.5]], "2": "nan"}
