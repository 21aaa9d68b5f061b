"""CSV and Parquet tables, a column for each lead and a row for each sample -> Recording.

The sampling rate comes from a first column `time_s` or from the side file NAME.json (plain_signal.py). The
side file may also name the leads: either some of the columns, in their order, or all columns whose own names
say nothing.
"""

import csv
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from crtcore.errors import DataError, brief
from crtcore.signal.expansion import check_expansion, check_size
from crtcore.signal.leads import is_lead_name, normalise_lead
from crtcore.signal.plain_signal import plain_recording, read_side_file, side_file_path
from crtcore.signal.recording import Recording

TIME_COLUMN: Final = "time_s"
_MISSING: Final = ["", "nan", "NaN", "NA", "null"]
_STEP_TOLERANCE: Final = 0.5  # of a step: room for rounded times, while one lost sample makes a step of 2
_RATE_TOLERANCE: Final = 0.01


def read_csv(path: Path) -> Recording:
    """The table at `path`: a header row of lead names, numbers in the side file's unit; empty is missing."""
    check_size(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header = [name.strip() for name in next(csv.reader(stream), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8 ({brief(error)}): save it as one") from error
    if not header or any(_is_number(name) for name in header):
        raise DataError(f"{path} has no header row: name the leads in its first row")
    try:
        table = pyarrow.csv.read_csv(
            path,
            # One thread: only then does the error name the row.
            read_options=pyarrow.csv.ReadOptions(column_names=header, skip_rows=1, use_threads=False),
            # An empty row is a missing sample: to skip it would shift all that follow.
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.float64()), null_values=_MISSING
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: {brief(error)}; give one number for each column, commas between cells, a decimal point"
        ) from error
    return _table_recording(path, table, first_row=2)


def read_parquet(path: Path) -> Recording:
    """The table at `path`: numeric columns named after leads, in the side file's unit; null is missing."""
    try:
        with pq.ParquetFile(path) as file:
            check_expansion(path, file.metadata.num_rows * file.metadata.num_columns * 8)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file ({brief(error)}): write it again") from error
    for field in table.schema:
        if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
            raise DataError(
                f"{path}: column {field.name!r} holds {field.type}, no numbers; drop or convert it"
            )
    return _table_recording(path, table, first_row=1)


def _table_recording(path: Path, table: pa.Table, *, first_row: int) -> Recording:
    side = read_side_file(path)
    names = tuple(table.column_names)
    twice = [name for name, count in Counter(map(normalise_lead, names)).items() if count > 1]
    if twice:
        raise DataError(f"{path} has a column {twice[0]!r} twice; remove one of the two")
    column_CS = np.array(
        [column.cast(pa.float64()).to_numpy() for column in table.columns], dtype=np.float64
    ).reshape(len(names), table.num_rows)
    rate = side.sampling_rate_hz
    if names[:1] == (TIME_COLUMN,):
        names = names[1:]
        timed = _rate_of(path, column_CS[0], first_row)
        column_CS = column_CS[1:]
        if rate is not None and abs(rate - timed) > _RATE_TOLERANCE * timed:
            raise DataError(
                f"{path}: {TIME_COLUMN} gives {timed:g} Hz and its side file {rate:g} Hz; correct one of them"
            )
        # Stored times are rounded: where both are given, the side file is the exact one.
        rate = timed if rate is None else rate
    if side.leads is not None:
        columns, names = _named_columns(path, names, tuple(side.leads))
        column_CS = column_CS[columns]
    return plain_recording(path, column_CS, sampling_rate_hz=rate, unit=side.unit, leads=names)


def _named_columns(
    path: Path, names: tuple[str, ...], leads: tuple[str, ...]
) -> tuple[list[int], tuple[str, ...]]:
    """The columns that the side file's `leads` stand for, and their names. DataError for a contradiction."""
    header = [normalise_lead(name) for name in names]
    given = [normalise_lead(name) for name in leads]
    if len(given) == len(header) and all(
        own == other or not (is_lead_name(own) or own in given)
        for own, other in zip(header, given, strict=True)
    ):
        return list(range(len(header))), leads
    columns = [header.index(name) for name in given if name in header]
    if len(columns) < len(given) or columns != sorted(set(columns)):
        raise DataError(
            f"{path} has the columns {', '.join(names)[:200]}, and {side_file_path(path).name} names the "
            f"leads {', '.join(leads)[:200]}: the two contradict each other; name some of the columns in "
            "their order, or all columns if their own names are no leads"
        )
    return columns, leads


def _rate_of(path: Path, time_S: npt.NDArray[np.float64], first_row: int) -> float:
    if len(time_S) < 2:
        raise DataError(f"{path} has {len(time_S)} samples, too few for a sampling rate; export it again")
    step_S = np.diff(time_S)
    step = float(np.nanmedian(step_S)) if not np.isnan(step_S).all() else 0.0
    uneven = np.flatnonzero(~(np.abs(step_S - step) <= _STEP_TOLERANCE * step))
    if step <= 0 or len(uneven):
        row = first_row + 1 + (int(uneven[0]) if len(uneven) else 0)
        raise DataError(
            f"{path} row {row}: {TIME_COLUMN} does not advance by the common step of {step:g} s; "
            f"give evenly spaced seconds and leave the cells of missing samples empty"
        )
    return round(float((len(time_S) - 1) / (time_S[-1] - time_S[0])), 3)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
