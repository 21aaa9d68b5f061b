"""What wfdb would skip or misread in a header is refused, and what real databases write is not."""

from pathlib import Path

import pytest

from crtcore.errors import DataError
from crtcore.signal.wfdb_header import check_header

RECORD = "r 2 500 3000"
SIGNAL = "r.dat 16 200(0)/mV 16 0 25 45146 0 I"


def header(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    (folder / "r.hea").write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder / "r.hea"


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        (SIGNAL, "mV"),
        ("r.dat 212 200 11 1024 995 -22131 0 MLII", None),
        ("r.dat 16x2:3+24 -1000.5e-1(-12)/uV 16 0 25 45146 0 aVR, augmented", "uV"),
        ("r.dat 16", None),
        ("~ 0 200/mV", "mV"),
        ("r.dat 16 200/mV II", "mV"),
        ("r.dat 16 200/V 12", "V"),
    ],
)
def test_what_databases_write(tmp_path: Path, line: str, unit: str | None) -> None:
    assert check_header(header(tmp_path, "# note", RECORD, line, "", SIGNAL, "#<age>: 71")) == (unit, "mV")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_micro_sign_is_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    lines = (RECORD, SIGNAL.replace("mV", "µV"), SIGNAL)
    assert check_header(header(tmp_path, *lines, encoding=encoding)) == ("µV", "mV")


@pytest.mark.parametrize("record", ["r 2 360/360(0) 650000 12:00:00 01/01/1990", "r 2 257.5 3000", "r 2 500"])
def test_record_lines_of_databases(tmp_path: Path, record: str) -> None:
    assert len(check_header(header(tmp_path, record, SIGNAL, SIGNAL))) == 2


@pytest.mark.parametrize(
    ("record", "signal", "message"),
    [
        ("r 2 nan 3000", SIGNAL, "first line 'r 2 nan 3000'"),
        ("r 2 -5 3000", SIGNAL, "first line 'r 2 -5 3000'"),
        ("r 2 inf 3000", SIGNAL, "first line"),
        ("r 2 1e3 3000", SIGNAL, "first line"),
        (f"r 2 {'9' * 5000} 3000", SIGNAL, "first line"),
        ("r 2 500 -3000", SIGNAL, "first line"),
        ("r 2 500 99999999999999999999", SIGNAL, "first line"),
        ("r 2", SIGNAL, "gives no sampling rate"),
        ("r 2 00 1000", SIGNAL, "gives no sampling rate"),
        ("r 3 500 3000", SIGNAL, "describes 2 signals where it promises 3"),
        ("r 0 500 3000", SIGNAL, "where it promises 0"),
        ("r/4 2 500 3000", SIGNAL, "describes several segments.*xform"),
        (RECORD, SIGNAL.replace("200(0)", "nan(0)"), "signal line .*nan.* is malformed"),
        (RECORD, SIGNAL.replace("200(0)", "−200(0)"), "is malformed"),
        (RECORD, SIGNAL.replace("200(0)", "2E2(0)"), "is malformed"),
        (RECORD, SIGNAL.replace("(0)", "(99999999999999999999999)"), "is malformed"),
        (RECORD, SIGNAL.replace(" 16 ", " 16x9999999 ", 1), "is malformed"),
        (RECORD, SIGNAL.replace(" 16 ", " 16:99999999 ", 1), "skew beyond"),
        (RECORD, SIGNAL.replace("45146", "4.5e4"), "is malformed"),
        (RECORD, "r.dat", "is malformed"),
        (RECORD, SIGNAL.replace("r.dat", "a" * 300), "names a file of over 255 bytes"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, record: str, signal: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"r\.hea.*{message}"):
        check_header(header(tmp_path, record, signal, SIGNAL))


def test_an_empty_header(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        check_header(header(tmp_path, "# only a comment"))


@pytest.mark.realdata
def test_every_header_of_the_databases_is_well_formed(data_dir: Path) -> None:
    headers = sorted(data_dir.rglob("*.hea"))
    assert len(headers) >= 548
    assert all(check_header(path) for path in headers)
