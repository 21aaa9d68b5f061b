import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crtcore.errors import DataError
from crtcore.signal import expansion
from crtcore.signal.recording import FloatArray
from crtcore.signal.tabular_reader import read_csv, read_parquet


def csv_file(folder: Path, text: str, side: str | None = None) -> Path:
    (folder / "r.csv").write_text(text)
    if side is not None:
        (folder / "r.json").write_text(side)
    return folder / "r.csv"


def test_rate_from_the_time_column_and_missing_cells(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "\ufefftime_s,I, II \n0,1,2\n0.002,,NaN\n0.004,5,-6e-1\n")
    recording = read_csv(path)
    assert (recording.record_id, recording.leads, recording.sampling_rate_hz) == ("r", ("I", "II"), 500.0)
    np.testing.assert_allclose(recording.signal_CS, [[1, np.nan, 5], [2, np.nan, -0.6]], rtol=1e-6)


def test_rate_unit_and_names_from_the_side_file(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "a,b\n1000,2000\n3000,4000\n",
        '{"sampling_rate_hz": 250, "unit": "uV", "leads": ["V1", "V2"]}',
    )
    recording = read_csv(path)
    assert (recording.leads, recording.sampling_rate_hz) == (("V1", "V2"), 250.0)
    np.testing.assert_array_equal(recording.signal_CS, [[1, 3], [2, 4]])


@pytest.mark.parametrize(("header", "row"), [("II", "1"), ("I,II", "1,1")])
def test_an_empty_row_is_a_missing_sample_and_not_skipped(tmp_path: Path, header: str, row: str) -> None:
    path = csv_file(tmp_path, f"{header}\n{row}\n\n{row}\n", '{"sampling_rate_hz": 250}')
    for lead_S in read_csv(path).signal_CS:
        np.testing.assert_array_equal(lead_S, [1, np.nan, 1])


@pytest.mark.parametrize("rate_hz", [50.0, 128.0, 257.0, 360.0, 500.0])
def test_times_rounded_to_milliseconds_give_the_rate(tmp_path: Path, rate_hz: float) -> None:
    rows = "".join(f"{i / rate_hz:.3f},0.5\n" for i in range(5000))
    assert read_csv(csv_file(tmp_path, "time_s,II\n" + rows)).sampling_rate_hz == pytest.approx(
        rate_hz, rel=1e-4
    )


@pytest.mark.parametrize(
    ("text", "side", "message"),
    [
        ("I,II\n1,2\n3,x\n", None, "Row #3.*'x'.*decimal point"),
        ("I,II\n1,2\n3\n", None, "Row #3"),
        ("I;II\n1,5;2,5\n", None, "Row #2.*commas"),
        ("I,II\n1,2\n3,4\n", None, "no sampling rate: write r.json"),
        ("1,2\n3,4\n", None, "no header row"),
        ("", None, "no header row"),
        ("time_s,I\n0,1\n0.002,1\n0.006,1\n0.008,1\n", None, "r.csv row 4: time_s does not advance"),
        ("time_s,I\n0,1\n0.002,1\n0.002,1\n0.004,1\n0.006,1\n", None, "row 4"),
        ("time_s,I\n0,1\n,1\n0.004,1\n0.006,1\n0.008,1\n", None, "row 3"),
        ("time_s,I\n4,1\n3,1\n2,1\n", None, "row 3"),
        ("time_s,I\n,1\n,1\n", None, "row 3"),
        ("time_s,I\n0,1\n", None, "1 samples, too few"),
        ("time_s,I\n0,1\n0.002,1\n", '{"sampling_rate_hz": 250}', "gives 500 Hz and its side file 250 Hz"),
    ],
)
def test_bad_tables_are_named_with_row_and_remedy(
    tmp_path: Path, text: str, side: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(csv_file(tmp_path, text, side))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"r\.csv is not a CSV file in UTF-8"):
        read_csv(tmp_path / "r.csv")


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(-10, 10, width=32) | st.just(np.nan),
    )
)
def test_csv_and_parquet_say_the_same(signal_CS: FloatArray) -> None:
    names = [f"V{i}" for i in range(len(signal_CS))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in signal_CS.T]
        path = csv_file(folder, "\n".join([",".join(names), *rows]) + "\n", '{"sampling_rate_hz": 100}')
        columns = [pa.array(lead, from_pandas=True) for lead in signal_CS]
        pq.write_table(pa.table(columns, names=names), folder / "r.parquet")
        for recording in (read_csv(path), read_parquet(folder / "r.parquet")):
            assert recording.leads == tuple(names)
            np.testing.assert_array_equal(recording.signal_CS, signal_CS)


def test_parquet_takes_its_rate_from_the_time_column(tmp_path: Path) -> None:
    table = pa.table({"time_s": [0.0, 0.004, 0.008], "II": pa.array([1, None, 3], pa.int16())})
    pq.write_table(table, tmp_path / "r.parquet")
    recording = read_parquet(tmp_path / "r.parquet")
    assert (recording.leads, recording.sampling_rate_hz) == (("II",), 250.0)
    np.testing.assert_array_equal(recording.signal_CS, [[1, np.nan, 3]])


def test_bad_parquet_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.parquet"
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"r.parquet is not a readable Parquet file"):
        read_parquet(path)
    pq.write_table(pa.table({"II": ["1", "2"]}), path)
    with pytest.raises(DataError, match="column 'II' holds string"):
        read_parquet(path)
    pq.write_table(pa.table({"II": np.zeros(1000)}), path)
    monkeypatch.setattr(expansion, "MAX_DECODED_BYTES", 7999)
    with pytest.raises(DataError, match="claims to hold 8,000, more than 7,999"):
        read_parquet(path)


SIDE = '{"sampling_rate_hz": 500, "leads": %s}'


@pytest.mark.parametrize(
    ("header", "leads", "kept", "columns"),
    [
        ("time,I,II", '["I", "II"]', ("I", "II"), [1, 2]),
        ("I,II,index", '["II"]', ("II",), [1]),
        ("a,b,c", '["V1", "V2", "V3"]', ("V1", "V2", "V3"), [0, 1, 2]),
        ("Lead I,ii,c", '["I", "II", "V1"]', ("I", "II", "V1"), [0, 1, 2]),
    ],
)
def test_the_side_file_chooses_columns_or_names_those_without_a_lead_s_name(
    tmp_path: Path, header: str, leads: str, kept: tuple[str, ...], columns: list[int]
) -> None:
    recording = read_csv(csv_file(tmp_path, f"{header}\n0,1,2\n3,4,5\n", SIDE % leads))
    assert recording.leads == kept
    np.testing.assert_array_equal(recording.signal_CS, np.array([[0, 3], [1, 4], [2, 5]])[columns])


@pytest.mark.parametrize(
    ("header", "leads"),
    [
        ("I,II,III", '["V1", "V2", "V3"]'),
        ("I,II,III", '["II", "I", "III"]'),
        ("a,b,c", '["b", "a", "c"]'),
        ("time,I,II", '["II", "I"]'),
        ("time,I,II", '["I", "V1"]'),
        ("time,I,II", '["I", "I"]'),
        ("time,I,II", '["V1", "V2"]'),
        ("a,b,c", '["I", "II"]'),
    ],
)
def test_a_side_file_that_contradicts_the_header_is_refused(tmp_path: Path, header: str, leads: str) -> None:
    with pytest.raises(DataError, match=r"r\.csv has the columns .*r\.json names the leads .*contradict"):
        read_csv(csv_file(tmp_path, f"{header}\n0,1,2\n3,4,5\n", SIDE % leads))


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.csv has a column 'I' twice"):
        read_csv(csv_file(tmp_path, "I,II,Lead I\n0,1,2\n", '{"sampling_rate_hz": 500}'))


def test_a_small_file_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"II": pa.nulls(2**27, pa.float64())}), tmp_path / "r.parquet")
    assert (tmp_path / "r.parquet").stat().st_size < 2**20
    with pytest.raises(DataError, match="claims to hold 1,073,741,824"):
        read_parquet(tmp_path / "r.parquet")
