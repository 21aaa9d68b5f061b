from pathlib import Path

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.signal.plain_signal import SideFile, plain_recording, read_side_file

SIGNAL_CS = np.array([[0.0, 1000.0, np.nan], [1.0, 2.0, 3.0]])


def test_without_a_side_file_the_unit_is_millivolts(tmp_path: Path) -> None:
    assert read_side_file(tmp_path / "r.csv") == SideFile(sampling_rate_hz=None, unit="mV", leads=None)


def test_a_side_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"sampling_rate_hz": 250, "unit": "uV", "leads": ["I", "II"]}')
    side = read_side_file(tmp_path / "r.npy")
    assert (side.sampling_rate_hz, side.unit, side.leads) == (250.0, "uV", ["I", "II"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "r.json: the file: .*write"),
        ('{"rate": 500}', "r.json: rate: .*write"),
        ('{"sampling_rate_hz": "500"}', "r.json: sampling_rate_hz"),
        ('{"sampling_rate_hz": -1}', "r.json: sampling_rate_hz"),
        ('{"sampling_rate_hz": NaN}', "r.json"),
        ('{"unit": "kg"}', "r.json: unit"),
        ('{"leads": [1]}', r"r.json: leads\.0"),
        ("\udcff", "r.json"),
    ],
)
def test_a_malformed_side_file_is_named_with_its_key(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "r.json").write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match=message):
        read_side_file(tmp_path / "r.csv")


def test_a_recording_is_named_after_its_file_and_in_millivolts(tmp_path: Path) -> None:
    recording = plain_recording(
        tmp_path / "r.csv", SIGNAL_CS, sampling_rate_hz=500.0, unit="uV", leads=("I", "II")
    )
    assert (recording.record_id, recording.patient_id, recording.leads) == ("r", "r", ("I", "II"))
    assert recording.signal_CS.dtype == np.float32
    np.testing.assert_allclose(recording.signal_CS, SIGNAL_CS / 1000)


@pytest.mark.parametrize(
    ("rate", "unit", "leads", "message"),
    [
        (None, "mV", ("I", "II"), "r.npy has no sampling rate: write r.json beside it"),
        (500.0, "mV", None, "r.npy has no lead names: write r.json beside it"),
        (500.0, "mmHg", ("I", "II"), "'mmHg' is not a voltage"),
        (500.0, "mV", ("I",), "2 channels and 1 lead names"),
        (500.0, "mV", ("I", "II", "III"), "transpose it"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(
    tmp_path: Path, rate: float | None, unit: str, leads: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        plain_recording(tmp_path / "r.npy", SIGNAL_CS, sampling_rate_hz=rate, unit=unit, leads=leads)


def test_a_side_file_with_an_endless_key_is_one_short_sentence(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"' + "9" * 5000 + '": 1}')
    with pytest.raises(DataError, match=r"r\.json: 999.*Extra inputs are not permitted") as caught:
        read_side_file(tmp_path / "r.csv")
    assert len(str(caught.value)) < 500
