import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from crtcore.errors import DataError
from crtcore.signal.edf_reader import read_edf

edfio = pytest.importorskip("edfio")

TRUTH_CS = np.random.default_rng(0).uniform(-2, 2, (3, 1000))
FIXED_HEADER = 256


def signal(label: str, data_S: npt.NDArray[np.float64], unit: str = "mV", rate_hz: float = 500) -> Any:
    scale = {"mV": 1, "uV": 1000, "V": 1e-3}.get(unit, 1)
    return edfio.EdfSignal(
        data_S * scale,
        rate_hz,
        label=label,
        physical_dimension=unit,
        physical_range=(-3.2768 * scale, 3.2767 * scale),
    )


def edf_file(folder: Path, *signals: Any, annotations: bool = False) -> Path:
    notes = [edfio.EdfAnnotation(0.5, None, "beat")] if annotations else None
    edfio.Edf(list(signals), annotations=notes).write(folder / "r.edf")
    return folder / "r.edf"


@pytest.mark.parametrize("plus", [False, True])
def test_ecg_signals_in_millivolts(tmp_path: Path, plus: bool) -> None:
    path = edf_file(
        tmp_path,
        signal("ECG I", TRUTH_CS[0], "uV"),
        signal("EEG Fpz-Cz", TRUTH_CS[0, :500], "uV", 250),
        signal("II", TRUTH_CS[1], "mV"),
        signal("Resp", TRUTH_CS[1], "L/s"),
        signal("EKG aVL", TRUTH_CS[2], "V"),
        annotations=plus,
    )
    recording = read_edf(path)
    assert (recording.record_id, recording.patient_id) == ("r", "r")
    assert (recording.leads, recording.sampling_rate_hz) == (("ECG I", "II", "EKG aVL"), 500.0)
    assert recording.signal_CS.dtype == np.float32
    np.testing.assert_allclose(recording.signal_CS, TRUTH_CS, atol=6e-5)  # half a step of 0.1 uV


def test_without_ecg_labels_all_voltages_are_taken(tmp_path: Path) -> None:
    path = edf_file(tmp_path, signal("ch1", TRUTH_CS[0]), signal("SpO2", TRUTH_CS[1], "%"))
    assert read_edf(path).leads == ("ch1",)


def test_the_micro_sign_in_a_header_is_read(tmp_path: Path) -> None:
    path = edf_file(tmp_path, signal("I", TRUTH_CS[0], "uV"))
    whole = path.read_bytes()
    assert whole.count(b"uV ") == 1
    path.write_bytes(whole.replace(b"uV ", b"\xb5V "))
    np.testing.assert_allclose(read_edf(path).signal_CS, TRUTH_CS[:1], atol=6e-5)


def test_signals_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.edf has ECG signals at 250 and 500 Hz"):
        read_edf(edf_file(tmp_path, signal("I", TRUTH_CS[0]), signal("II", TRUTH_CS[1, :500], rate_hz=250)))
    with pytest.raises(DataError, match=r"r\.edf has no signal in volts"):
        read_edf(edf_file(tmp_path, signal("Resp", TRUTH_CS[0], "L/s")))


@pytest.mark.parametrize("kept", [0, 100, 300, 700, 1500, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = edf_file(tmp_path, signal("I", TRUTH_CS[0]))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"r\.edf is not a whole EDF file.*fetch it again"):
        read_edf(path)


@pytest.mark.parametrize(
    ("offset", "field"),
    [
        (236, b"99999999"),  # number of data records
        (236, b"-1      "),
        (244, b"0       "),  # duration of a record
        (244, b"nan     "),
        (252, b"9999"),  # number of signals
        (252, b"   x"),
        (FIXED_HEADER + 216, b"99999999"),  # samples in a record
        (FIXED_HEADER + 104, b"3.2767  "),  # physical minimum = maximum
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, offset: int, field: bytes) -> None:
    path = edf_file(tmp_path, signal("I", TRUTH_CS[0]))
    whole = path.read_bytes()
    path.write_bytes(whole[:offset] + field + whole[offset + len(field) :])
    with pytest.raises(DataError, match=r"r\.edf (is not a whole EDF file|has a sampling rate of nan)"):
        read_edf(path)


def test_a_discontinuous_recording_is_refused(tmp_path: Path) -> None:
    path = edf_file(tmp_path, signal("I", TRUTH_CS[0]), annotations=True)
    whole = path.read_bytes()
    assert whole.count(b"+1\x14\x14") == 1  # the time stamp of the second data record
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D").replace(b"+1\x14\x14", b"+7\x14\x14"))
    with pytest.raises(DataError, match=r"r\.edf is a discontinuous EDF\+ recording"):
        read_edf(path)


def test_without_edfio_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edf_file(tmp_path, signal("I", TRUTH_CS[0]))
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(DataError, match=r"r\.edf: .*pip install crtsearch-ecg\[formats\]"):
        read_edf(path)
