from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crtcore.data import manifest_table
from crtcore.data.manifest_table import is_missing, number_of, read_rows
from crtcore.errors import DataError


def test_csv_cells_are_text_without_blanks_around(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('\ufeffa, b ,\n 1 ,"x, y",\n\n2,,\n', encoding="utf-8")
    rows = read_rows(path)
    assert [(row.number, row.cells) for row in rows] == [
        (2, {"a": "1", "b": "x, y"}),
        (4, {"a": "2", "b": ""}),
    ]


def test_parquet_cells_keep_their_type(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array([" x ", None]).dictionary_encode(),
            "single": pa.array([15.3, None], pa.float32()),
            "decimal": pa.array([Decimal("18.00"), None], pa.decimal128(5, 2)),
            "flag": [True, None],
            "__index_level_0__": [7, 8],
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    first, second = read_rows(tmp_path / "m.parquet")
    assert first.cells == {"text": "x", "single": 15.3, "decimal": "18.00", "flag": True}
    assert set(second.cells.values()) == {None}


def test_a_table_that_claims_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": pa.nulls(20_000_000)}), tmp_path / "m.parquet")
    assert (tmp_path / "m.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match="claims 20,000,000 rows of 1 columns"):
        read_rows(tmp_path / "m.parquet")
    (tmp_path / "m.csv").write_text("a\n1\n")
    monkeypatch.setattr(manifest_table, "MAX_BYTES", 3)
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_rows(tmp_path / "m.csv")


def test_numbers_and_missing_values() -> None:
    assert [number_of(cell) for cell in ("1", "-1.5e-3", ".5", "5.", 2, True)] == [1, -0.0015, 0.5, 5, 2, 1]
    assert [number_of(cell) for cell in ("", "x", "1_0", "１", "0x10", "1e", None)] == [None] * 7
    assert number_of("-Infinity") == -float("inf")
    assert all(is_missing(cell) for cell in (None, "", "NA", float("nan"), "."))
    assert not any(is_missing(cell) for cell in ("none", "na", 0, False, "0"))
