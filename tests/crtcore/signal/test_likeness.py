"""Copies are found however they were shifted, cut or rescaled; recordings of others are not."""

from dataclasses import replace

import numpy as np
import pytest

from crtcore.signal.alignment import likeness, prepared
from crtcore.signal.likeness import WINDOW, find_candidates, sketch
from crtcore.signal.recording import FloatArray, Recording
from crtcore.signal.resample import resample

RATE_HZ = 500


def heart(seed: int, num_leads: int = 2, seconds: float = 12.0) -> Recording:
    """Beats of one shape at irregular times, another shape and another rhythm for each seed."""
    generator = np.random.default_rng(seed)
    num_samples = int(seconds * RATE_HZ)
    impulse_S = np.zeros(num_samples + RATE_HZ)
    beat_B = np.cumsum(generator.normal(0.8, 0.05, int(seconds * 2)) * RATE_HZ).astype(int)
    impulse_S[beat_B[beat_B < len(impulse_S)]] = 1
    shape_S = np.linspace(-0.3, 0.3, int(0.6 * RATE_HZ))
    rows = []
    for _ in range(num_leads):
        waves = zip(
            generator.normal(size=4),
            generator.uniform(-0.2, 0.25, 4),
            generator.uniform(0.01, 0.05, 4),
            strict=True,
        )
        wave_S = sum(a * np.exp(-((shape_S - b) ** 2) / (2 * c**2)) for a, b, c in waves)
        rows.append(np.convolve(impulse_S, wave_S)[:num_samples])
    signal_CS = np.array(rows) + generator.normal(0, 0.01, (num_leads, num_samples))
    return Recording(
        record_id=f"r{seed}",
        patient_id=f"p{seed}",
        leads=("II", "V1")[:num_leads],
        sampling_rate_hz=RATE_HZ,
        signal_CS=signal_CS.astype(np.float32),
    )


def part(recording: Recording, start_s: float, stop_s: float) -> Recording:
    rate = recording.sampling_rate_hz
    return replace(recording, signal_CS=recording.signal_CS[:, int(start_s * rate) : int(stop_s * rate)])


def scaled(recording: Recording, factor: float) -> Recording:
    return replace(recording, signal_CS=recording.signal_CS * np.float32(factor))


def noisy(recording: Recording) -> Recording:
    noise_CS = np.random.default_rng(9).normal(0, 0.02, recording.signal_CS.shape)
    return replace(recording, signal_CS=(recording.signal_CS + noise_CS).astype(np.float32))


def with_gap(recording: Recording) -> Recording:
    signal_CS: FloatArray = recording.signal_CS.copy()
    signal_CS[:, 700:720] = np.nan
    return replace(recording, signal_CS=signal_CS)


WHOLE = heart(0)


@pytest.mark.parametrize(
    ("copy", "lag_s"),
    [
        (WHOLE, 0.0),
        (part(WHOLE, 3.127, 12), -3.127),
        (part(WHOLE, 0, 9), 0.0),
        (part(WHOLE, 2.5, 7.6), -2.5),
        (scaled(WHOLE, 1000), 0.0),
        (scaled(WHOLE, -0.2), 0.0),
        (resample(WHOLE, 360), 0.0),
        (noisy(part(WHOLE, 1.011, 11)), -1.011),
        (with_gap(WHOLE), 0.0),
    ],
)
def test_a_copy_among_others_is_the_only_candidate(copy: Recording, lag_s: float) -> None:
    recordings = [heart(seed) for seed in range(1, 8)] + [WHOLE, copy]
    found = find_candidates([sketch(recording, len(recordings)) for recording in recordings])
    alike = {
        (candidate.first, candidate.second)
        for candidate in found
        if likeness(
            prepared(recordings[candidate.first]),
            prepared(recordings[candidate.second]),
            lead=candidate.lead,
            lag_s=candidate.lag_s,
        ).alike
    }
    assert alike == {(7, 8)}
    lags = [candidate.lag_s for candidate in found if (candidate.first, candidate.second) == (7, 8)]
    assert min(abs(lag - lag_s) for lag in lags) < 0.01


def test_a_copy_of_one_lead_only_is_found_on_that_lead() -> None:
    one, other = WHOLE, heart(1)
    mixed = replace(other, signal_CS=np.stack([other.signal_CS[0], one.signal_CS[1]]))
    found = find_candidates([sketch(recording, 2) for recording in (one, mixed)])
    assert {candidate.lead for candidate in found} == {1}


def test_a_long_collection_is_compared_in_its_first_part_and_short_ones_are_padded() -> None:
    long = heart(0, num_leads=1, seconds=60)
    assert sketch(long, 2_500_000).shape == (1, WINDOW)
    assert sketch(long, 2_500).shape == (1, 1000)
    assert sketch(part(long, 0, 1), 10).shape == (1, WINDOW)


def test_nothing_moves_nothing_is_alike() -> None:
    flat = replace(WHOLE, signal_CS=np.zeros_like(WHOLE.signal_CS))
    assert find_candidates([sketch(flat, 3)] * 3) == ()
    assert find_candidates([]) == ()
