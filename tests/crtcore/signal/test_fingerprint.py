"""A copy of a recording has its fingerprint; another recording has not."""

from dataclasses import replace

import numpy as np
import pytest

from crtcore.signal.fingerprint import MAX_PIECES, fingerprint, is_known
from crtcore.signal.recording import Recording


def recording(seed: int = 0, *, seconds: float = 10, gain: float = 1000, leads: int = 2) -> Recording:
    """Noise in the steps of a converter with `gain` steps per mV."""
    rng = np.random.default_rng(seed)
    counts_CS = np.cumsum(rng.integers(-20, 21, size=(leads, round(250 * seconds))), axis=1)
    return Recording(
        record_id="r",
        patient_id="p",
        leads=("I", "II", "V1")[:leads],
        sampling_rate_hz=250,
        signal_CS=(counts_CS / gain).astype(np.float32),
    )


def known(one: Recording) -> set[str]:
    return {piece for lead in fingerprint(one) for piece in lead}


def test_each_lead_has_a_hash_per_second_and_at_most_a_minute() -> None:
    assert [len(lead) for lead in fingerprint(recording())] == [10, 10]
    assert len(fingerprint(recording(seconds=70.5))[0]) == MAX_PIECES
    assert len(known(recording())) == 20


@pytest.mark.parametrize("gain", [200, 204.8, 1000, 2000])
def test_rounding_of_another_format_changes_nothing(gain: float) -> None:
    one = recording(gain=gain)
    as_text = np.array([[float(f"{value:.6f}") for value in lead] for lead in one.signal_CS], np.float32)
    assert is_known(fingerprint(replace(one, record_id="other", signal_CS=as_text)), known(one))


def test_a_copy_with_fewer_leads_or_cut_at_a_second_is_known() -> None:
    one = recording()
    part = replace(one, leads=("II",), signal_CS=one.signal_CS[1:])
    cut = replace(one, signal_CS=one.signal_CS[:, 3 * 250 :])
    assert is_known(fingerprint(part), known(one))
    assert is_known(fingerprint(cut), known(one))


def test_a_copy_beside_a_lead_that_is_new_is_known() -> None:
    one, other = recording(), recording(1, leads=1)
    both = replace(
        one, leads=("I", "II", "V1"), signal_CS=np.concatenate([one.signal_CS, other.signal_CS]).copy()
    )
    assert is_known(fingerprint(both), known(one))


def test_another_recording_is_not_known() -> None:
    assert not is_known(fingerprint(recording(1)), known(recording(0)))


def test_one_second_in_common_is_not_enough() -> None:
    one, other = recording(0), recording(1)
    mixed_CS = other.signal_CS.copy()
    mixed_CS[:, :250] = one.signal_CS[:, :250]
    assert not is_known(fingerprint(replace(other, signal_CS=mixed_CS)), known(one))


def test_flat_pieces_and_missing_samples_make_nothing_alike() -> None:
    flat = replace(recording(), signal_CS=np.zeros((2, 2500), np.float32))
    missing = replace(recording(), signal_CS=np.full((2, 2500), np.nan, np.float32))
    assert fingerprint(flat) == fingerprint(missing) == ((), ())
    assert not is_known(fingerprint(flat), known(flat))
    assert fingerprint(replace(flat, signal_CS=flat.signal_CS[:, :100])) == ((), ())
