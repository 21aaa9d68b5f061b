import numpy as np
import pytest

from crtcore.signal.recording import BeatAnnotation, Beats, Recording


def recording(leads: tuple[str, ...], sampling_rate_hz: float) -> Recording:
    return Recording(
        record_id="r",
        patient_id="p",
        leads=leads,
        sampling_rate_hz=sampling_rate_hz,
        signal_CS=np.zeros((2, 5), np.float32),
    )


def test_a_recording_has_a_row_for_each_lead_and_a_rate() -> None:
    assert recording(("I", "II"), 250.0).num_samples == 5
    for leads, rate_hz in ((("I",), 250.0), (("I", "II"), 0.0)):
        with pytest.raises(AssertionError):
            recording(leads, rate_hz)


def test_an_annotation_has_a_symbol_for_each_sample() -> None:
    with pytest.raises(AssertionError):
        BeatAnnotation(sample_B=np.array([1, 2]), symbol_B=np.array(["N"]))


def test_beats_are_taken_in_the_order_given() -> None:
    number_B = np.arange(3)
    beats = Beats(
        r_sample_B=100 * number_B,
        start_B=100 * number_B,
        stop_B=100 * number_B + 50,
        rr_previous_s_B=number_B.astype(np.float32),
        rr_next_s_B=number_B.astype(np.float32),
        rr_ratio_B=number_B.astype(np.float32),
        symbol_B=np.array(["N", "V", "A"]),
    )
    taken = beats.take(np.array([2, 0]))
    assert len(taken) == 2
    assert (taken.r_sample_B.tolist(), taken.symbol_B.tolist()) == ([200, 0], ["A", "N"])
