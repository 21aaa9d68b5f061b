import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.signal.dicom_reader import read_dicom
from crtcore.signal.leads import STANDARD_LEADS, normalise_lead

pydicom = pytest.importorskip("pydicom")


@pytest.fixture
def example() -> Any:
    """The 12-lead ECG that comes with pydicom: 10 s at 1000 Hz, and its median beats."""
    from pydicom.data import get_testdata_file

    return pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))


def written(folder: Path, dataset: Any) -> Path:
    dataset.save_as(folder / "r.dcm")
    return folder / "r.dcm"


def test_a_recorded_ecg_is_read_in_millivolts(tmp_path: Path, example: Any) -> None:
    recording = read_dicom(written(tmp_path, example))
    assert (recording.record_id, recording.patient_id, recording.sampling_rate_hz) == ("r", "r", 1000.0)
    assert tuple(normalise_lead(lead) for lead in recording.leads) == STANDARD_LEADS
    assert recording.signal_CS.shape == (12, 10_000)
    raw_SC = np.frombuffer(example.WaveformSequence[0].WaveformData, "<i2").reshape(10_000, 12)
    np.testing.assert_allclose(recording.signal_CS, raw_SC.T * 1.25e-3, rtol=1e-6)  # 1.25 uV a step
    one_S, two_S, three_S = recording.signal_CS[:3]
    np.testing.assert_allclose(
        three_S, two_S - one_S, atol=0.003
    )  # Einthoven, to the rounding of three leads


def test_padding_is_missing_and_foreign_units_are_left_out(tmp_path: Path, example: Any) -> None:
    group = example.WaveformSequence[0]
    raw_SC = np.frombuffer(group.WaveformData, "<i2").reshape(10_000, 12).copy()
    raw_SC[100:200] = -32768
    group.WaveformData = raw_SC.tobytes()
    group.add_new("WaveformPaddingValue", "OW", np.int16(-32768).tobytes())
    group.ChannelDefinitionSequence[5].ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    del group.ChannelDefinitionSequence[6].ChannelSensitivityUnitsSequence
    recording = read_dicom(written(tmp_path, example))
    assert tuple(normalise_lead(lead) for lead in recording.leads) == (
        *STANDARD_LEADS[:5],
        *STANDARD_LEADS[7:],
    )
    missing_CS = np.isnan(recording.signal_CS)
    assert missing_CS[:, 100:200].all() and missing_CS.sum() == 100 * 10


def test_the_longest_original_group_is_taken(tmp_path: Path, example: Any) -> None:
    rhythm, median_beat = example.WaveformSequence
    median_beat.WaveformOriginality = "ORIGINAL"
    example.WaveformSequence = pydicom.Sequence([median_beat, rhythm])
    assert read_dicom(written(tmp_path, example)).num_samples == 10_000
    rhythm.WaveformOriginality = median_beat.WaveformOriginality = "DERIVED"
    with pytest.raises(DataError, match=r"r\.dcm holds no recorded waveform"):
        read_dicom(written(tmp_path, example))


def test_files_without_an_ecg_are_named(tmp_path: Path, example: Any) -> None:
    for definition in example.WaveformSequence[0].ChannelDefinitionSequence:
        definition.ChannelSensitivityUnitsSequence[0].CodeValue = "Pa"
    with pytest.raises(DataError, match=r"r\.dcm has no channel in volts"):
        read_dicom(written(tmp_path, example))
    del example.WaveformSequence
    with pytest.raises(DataError, match=r"r\.dcm holds no recorded waveform"):
        read_dicom(written(tmp_path, example))


def test_a_group_that_claims_more_than_it_holds_is_refused(tmp_path: Path, example: Any) -> None:
    example.WaveformSequence[0].NumberOfWaveformSamples = 2**31
    with pytest.raises(DataError, match=r"r\.dcm is not a whole DICOM file.*fetch it again"):
        read_dicom(written(tmp_path, example))


@pytest.mark.parametrize("kept", [0, 50, 200, 2000, 200_000])
def test_a_truncated_file_is_refused(tmp_path: Path, example: Any, kept: int) -> None:
    path = written(tmp_path, example)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"r\.dcm"):
        read_dicom(path)


def test_without_pydicom_the_remedy_is_named(
    tmp_path: Path, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, example)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"r\.dcm: .*pip install crtsearch-ecg\[formats\]"):
        read_dicom(path)
