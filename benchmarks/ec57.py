"""Beat-by-beat scoring of R-peak detections by ANSI/AAMI EC57.

Sensitivity = TP / (TP + FN), positive predictivity = TP / (TP + FP), detection error rate = (FN + FP) / (TP +
FN). Gross statistics pool the beats of all records. Average statistics are means over records.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crtcore.signal.beats import MATCH_WINDOW_S, match_peaks
from crtcore.signal.recording import IntArray


@dataclass(frozen=True, kw_only=True)
class BeatScore:
    """Counts of one record, or pooled counts of several."""

    true_positives: int
    false_negatives: int
    false_positives: int

    @property
    def num_reference(self) -> int:
        """The number of scored reference beats."""
        return self.true_positives + self.false_negatives

    @property
    def sensitivity(self) -> float:
        """The share of reference beats that were detected; NaN without reference beats."""
        return _ratio(self.true_positives, self.num_reference)

    @property
    def positive_predictivity(self) -> float:
        """The share of detections that are true; NaN without detections."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def detection_error_rate(self) -> float:
        """Missed and false beats per reference beat; NaN without reference beats."""
        return _ratio(self.false_negatives + self.false_positives, self.num_reference)


def score_beats(
    reference_B: IntArray,
    detected_B: IntArray,
    *,
    sampling_rate_hz: float,
    window_s: float = MATCH_WINDOW_S,
    start_s: float = 0.0,
    excluded: IntArray | None = None,
) -> BeatScore:
    """Score the detections of one record. Both arrays are in samples, ascending.

    A detection within `window_s` of a reference beat matches it, one to one. Counting starts at `start_s`
    (EC57: after a learning period of 5 minutes). It leaves out the intervals `excluded`, shape (intervals,
    2), with first and last sample: in ventricular flutter and fibrillation, there are no separate beats. The
    position of a matched pair is that of its reference beat.
    """
    reference_index, detected_index = match_peaks(reference_B, detected_B, window_s * sampling_rate_hz)
    missed_B, false_B = np.delete(reference_B, reference_index), np.delete(detected_B, detected_index)
    counts = [
        int(_counted(sample_B, start_s * sampling_rate_hz, excluded).sum())
        for sample_B in (reference_B[reference_index], missed_B, false_B)
    ]
    return BeatScore(true_positives=counts[0], false_negatives=counts[1], false_positives=counts[2])


def gross(scores: Sequence[BeatScore]) -> BeatScore:
    """The gross statistics: the beats of all records pooled."""
    return BeatScore(
        true_positives=sum(score.true_positives for score in scores),
        false_negatives=sum(score.false_negatives for score in scores),
        false_positives=sum(score.false_positives for score in scores),
    )


def average(scores: Sequence[BeatScore]) -> dict[str, float]:
    """The mean of each statistic over the records in which it is defined."""
    return {
        name: float(np.nanmean([getattr(score, name) for score in scores]))
        for name in ("sensitivity", "positive_predictivity", "detection_error_rate")
    }


def _counted(
    sample_B: IntArray, start: float, excluded: IntArray | None
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    counted_B = sample_B >= start
    for first, last in () if excluded is None else excluded:
        counted_B &= (sample_B < first) | (sample_B > last)
    return counted_B


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
