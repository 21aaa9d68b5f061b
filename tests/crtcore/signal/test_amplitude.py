import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.signal.amplitude import check_amplitude, implausible_leads, peak_to_peak_mv
from crtcore.signal.recording import FloatArray, Recording


def recording(*spans_mv: float) -> Recording:
    signal_CS = np.stack([np.array([0, np.nan, span / 2, span], np.float32) for span in spans_mv])
    return Recording(
        record_id="r",
        patient_id="p",
        leads=tuple(f"V{number}" for number in range(1, len(spans_mv) + 1)),
        sampling_rate_hz=500,
        signal_CS=signal_CS,
    )


def test_peak_to_peak_ignores_missing_samples() -> None:
    missing_CS: FloatArray = np.full((1, 4), np.nan, np.float32)
    assert peak_to_peak_mv(recording(2.0).signal_CS).tolist() == [2.0]
    assert np.isnan(peak_to_peak_mv(missing_CS)).all()


def test_odd_leads_are_named_with_their_span() -> None:
    assert implausible_leads(recording(1.0, 0.03, 20.0)) == ()
    assert implausible_leads(recording(25.0, 1.0, 0.005)) == ("V1 spans 25 mV", "V3 spans 0.005 mV")


def test_microvolts_read_as_millivolts_are_refused() -> None:
    """1371 uV in a table without a unit."""
    found = recording(1.0, 1371.0)
    with pytest.raises(DataError, match=r"r1\.csv: lead V2 spans 1,371 mV .* correct its unit"):
        check_amplitude("r1.csv", found.leads, found.signal_CS)
    check_amplitude("r1.csv", found.leads[:1], found.signal_CS[:1])
