"""Scores against wfdb's comparison and counts by hand."""

import numpy as np
import pytest
import wfdb.processing
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ec57 import BeatScore, average, gross, score_beats


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999), missed=st.floats(0, 0.3), extra=st.integers(0, 20), jitter=st.integers(0, 30)
)
def test_counts_equal_those_of_wfdb(seed: int, missed: float, extra: int, jitter: int) -> None:
    rng = np.random.default_rng(seed)
    reference_B = np.cumsum(rng.integers(150, 500, 80))
    detected_B = reference_B[rng.random(80) >= missed]
    detected_B = detected_B + rng.integers(-jitter, jitter + 1, len(detected_B))
    false_B = rng.choice(reference_B[:-1] + 75, extra, replace=False)  # out of reach of any beat
    detected_B = np.unique(np.concatenate([detected_B, false_B]))
    score = score_beats(reference_B, detected_B, sampling_rate_hz=360.0)
    expected = wfdb.processing.compare_annotations(reference_B, detected_B, 54)
    assert (score.true_positives, score.false_negatives, score.false_positives) == (
        expected.tp,
        expected.fn,
        expected.fp,
    )


def test_the_statistics_by_hand() -> None:
    score = BeatScore(true_positives=90, false_negatives=10, false_positives=30)
    assert score.sensitivity == pytest.approx(0.9)
    assert score.positive_predictivity == pytest.approx(0.75)
    assert score.detection_error_rate == pytest.approx(0.4)


def test_gross_pools_beats_and_average_does_not() -> None:
    large = BeatScore(true_positives=900, false_negatives=100, false_positives=0)
    small = BeatScore(true_positives=5, false_negatives=5, false_positives=0)
    empty = BeatScore(true_positives=0, false_negatives=0, false_positives=0)
    assert gross([large, small]).sensitivity == pytest.approx(905 / 1010)
    assert average([large, small, empty])["sensitivity"] == pytest.approx(0.7)


def test_the_window_is_that_of_ec57_and_one_detection_is_one_beat() -> None:
    reference_B = np.array([1000])
    for offset, hits in ((54, 1), (55, 0), (-54, 1), (-55, 0)):
        score = score_beats(reference_B, reference_B + offset, sampling_rate_hz=360.0)
        assert score.true_positives == hits
    double = score_beats(reference_B, np.array([990, 1020]), sampling_rate_hz=360.0)
    assert (double.true_positives, double.false_positives) == (1, 1)
    narrow = score_beats(reference_B, reference_B + 20, sampling_rate_hz=360.0, window_s=0.05)
    assert narrow.true_positives == 0


def test_learning_period_and_flutter_are_left_out() -> None:
    reference_B = np.array([100, 1000, 2000, 3000])
    detected_B = np.array([100, 500, 1500, 2500, 3001])
    score = score_beats(
        reference_B, detected_B, sampling_rate_hz=100.0, start_s=5.1, excluded=np.array([[1900, 2600]])
    )
    assert score == BeatScore(true_positives=1, false_negatives=1, false_positives=1)
    everything = score_beats(reference_B, detected_B, sampling_rate_hz=100.0)
    assert everything == BeatScore(true_positives=2, false_negatives=2, false_positives=3)


def test_without_beats_the_statistics_are_nan() -> None:
    nothing = np.array([], dtype=np.int64)
    score = score_beats(nothing, nothing, sampling_rate_hz=360.0)
    assert np.isnan([score.sensitivity, score.positive_predictivity, score.detection_error_rate]).all()
    assert score_beats(nothing, np.array([5]), sampling_rate_hz=360.0).false_positives == 1
