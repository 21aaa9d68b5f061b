"""The cohort manifest as a table: CSV or Parquet -> numbered rows of cells, nothing interpreted yet."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.errors import DataError, brief

MISSING: Final = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "."})
"""How R, pandas, SQL and SAS write a missing value. `none` in lower case is a word and stays a value."""
MAX_BYTES: Final = 2**28
MAX_CELLS: Final = 10_000_000
_PANDAS_INDEX: Final = re.compile(r"__index_level_\d+__")
_NUMBER: Final = re.compile(
    r"[-+]?(inf|infinity|([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?)", re.ASCII | re.IGNORECASE
)

Cell = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row: `number` as an editor shows it (the header of a CSV file is row 1), and its cells by column.

    Cells of a CSV file are text without blanks around it. Cells of a Parquet file keep their type; dates
    become text.
    """

    number: int
    cells: dict[str, Cell]


def read_rows(manifest: Path) -> tuple[TableRow, ...]:
    """All rows of the manifest, at least one. DataError if it cannot be read as one value for each cell."""
    try:
        is_file = manifest.is_file()
    except OSError as error:
        raise DataError(
            f"cohort manifest {str(manifest)[:100]!r} cannot be opened: {error.strerror}"
        ) from error
    if not is_file:
        raise DataError(
            f"cohort manifest {manifest} does not exist; set cohort.manifest (and data) to where it lies"
        )
    if manifest.stat().st_size > MAX_BYTES:
        raise DataError(
            f"cohort manifest {manifest} has more than {MAX_BYTES:,} bytes; "
            "it needs one row for each recording"
        )
    rows = tuple(_parquet_rows(manifest) if manifest.suffix == ".parquet" else _csv_rows(manifest))
    if not rows:
        raise DataError(f"cohort manifest {manifest} has no rows; give one row for each recording")
    return rows


def number_of(cell: Cell) -> float | None:
    """The number in a cell, which may be infinite; None where it holds text or nothing."""
    if isinstance(cell, str):
        return float(cell) if _NUMBER.fullmatch(cell) else None
    return None if cell is None else float(cell)


def is_missing(cell: Cell) -> bool:
    """Whether a cell holds no value."""
    return cell is None or (isinstance(cell, str) and cell in MISSING) or cell != cell


def _csv_rows(manifest: Path) -> Iterator[TableRow]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            _check_columns(manifest, columns)
            number = reader.line_num + 1
            for record in reader:
                if record:  # a line without any character is no row
                    if len(record) != len(columns):
                        raise DataError(
                            f"{manifest} row {number} has {len(record)} cells, not as many as the header "
                            f"({len(columns)}); quote cells that hold a comma"
                        )
                    yield TableRow(number=number, cells=_named(manifest, number, columns, record))
                number = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"cohort manifest {manifest} is not a readable CSV file: {brief(error)}") from error


def _named(manifest: Path, number: int, columns: Sequence[str], record: Sequence[str]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for column, (name, cell) in enumerate(zip(columns, record, strict=True), 1):
        if name:
            cells[name] = cell.strip()
        elif cell.strip():
            raise DataError(
                f"{manifest} row {number}: column {column} has a value and no name; name the column or "
                "remove it (R writes its row names so; use row.names = FALSE)"
            )
    return cells


def _parquet_rows(manifest: Path) -> Iterator[TableRow]:
    try:
        with pq.ParquetFile(manifest) as file:
            metadata = file.metadata
            if metadata.num_rows * metadata.num_columns > MAX_CELLS:
                raise DataError(
                    f"cohort manifest {manifest} claims {metadata.num_rows:,} rows of "
                    f"{metadata.num_columns:,} columns, more than {MAX_CELLS:,} cells; "
                    "it needs one row for each recording"
                )
            _check_columns(manifest, file.schema_arrow.names)
            for field in file.schema_arrow:
                if not _is_plain(field.type):
                    raise DataError(
                        f"cohort manifest {manifest}: column {field.name!r} holds {field.type}; "
                        "keep text, numbers, dates or true/false there, or drop it"
                    )
            table = file.read()
        names = [name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]
        columns = [_cells(table.column(name)) for name in names]
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise DataError(
            f"cohort manifest {manifest} is not a readable Parquet file: {brief(error)}"
        ) from error
    for number, record in enumerate(zip(*columns, strict=True), 1):
        yield TableRow(number=number, cells=dict(zip(names, record, strict=True)))


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_date,
        pa.types.is_timestamp,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _cells(column: pa.ChunkedArray) -> list[Cell]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_decimal(kind):
        return [None if value is None else str(value) for value in column.cast(pa.string()).to_pylist()]
    if pa.types.is_floating(kind) and kind != pa.float64():
        # 15.3 in single precision is meant as 15.3, not as 15.300000190734863.
        return [None if value is None else float(str(np.float32(value))) for value in column.to_pylist()]
    return [value.strip() if isinstance(value, str) else value for value in column.to_pylist()]


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        places = [str(place) for place, name in enumerate(columns, 1) if name == twice[0]]
        raise DataError(
            f"cohort manifest {manifest} has the column {twice[0]!r} {len(places)} times (columns "
            f"{' and '.join(places)}); keep one of them"
        )
