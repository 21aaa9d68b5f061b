"""The units wfdb misreads; sizes and checksums are tested through `read_recording` in test_wfdb_reader.py."""

from pathlib import Path

import pytest

from crtcore.signal.wfdb_integrity import signal_units

HEADER = (
    "r 3 250 10\nr.dat 16 200(0)/µV 16 0 0 0 0 I\n# a comment\nr.dat 16 200\nr.dat 16 200/V 16 0 0 0 0 Ü\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_micro_survives_and_what_has_no_unit_stays_so(tmp_path: Path, encoding: str) -> None:
    header = tmp_path / "r.hea"
    header.write_text(HEADER, encoding=encoding)
    assert signal_units(header, ["V", None, "V"]) == ["µV", None, "V"]


def test_plain_headers_are_as_wfdb_read_them(tmp_path: Path) -> None:
    header = tmp_path / "r.hea"
    header.write_text(HEADER.replace("µ", "u").replace("Ü", "U"))
    assert signal_units(header, ["uV", None, "V"]) == ["uV", None, "V"]
