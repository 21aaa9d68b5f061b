"""Beat-by-beat scoring of R-peak detections, ANSI/AAMI EC57.

Sensitivity = TP / (TP + FN), positive predictivity = TP / (TP + FP), detection error rate = (FN + FP) / (TP +
FN). Gross figures pool the beats of all records; average figures are the mean of the records' own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crtcore.signal.beats import MATCH_WINDOW_S, match_peaks
from crtcore.signal.recording import IntArray


@dataclass(frozen=True, kw_only=True)
class BeatScore:
    """Counts of one record, or of several pooled."""

    true_positives: int
    false_negatives: int
    false_positives: int

    @property
    def num_reference(self) -> int:
        """Reference beats scored."""
        return self.true_positives + self.false_negatives

    @property
    def sensitivity(self) -> float:
        """Detected share of the reference beats; NaN without any."""
        return _ratio(self.true_positives, self.num_reference)

    @property
    def positive_predictivity(self) -> float:
        """True share of the detections; NaN without any."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def detection_error_rate(self) -> float:
        """Missed and false beats per reference beat; NaN without any."""
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
    """Score the detections of one record; both arrays ascend, in samples.

    A detection within `window_s` of a reference beat is that beat, one to one. Counting starts at `start_s`
    (EC57: after a learning period of 5 minutes) and leaves out the intervals `excluded`, shape (intervals,
    2), first and last sample: ventricular flutter and fibrillation, where beats cannot be told. A pair lies
    where its reference beat lies.
    """
    reference_index, detected_index = match_peaks(reference_B, detected_B, window_s * sampling_rate_hz)
    missed_B, false_B = np.delete(reference_B, reference_index), np.delete(detected_B, detected_index)
    counts = [
        int(_counted(sample_B, start_s * sampling_rate_hz, excluded).sum())
        for sample_B in (reference_B[reference_index], missed_B, false_B)
    ]
    return BeatScore(true_positives=counts[0], false_negatives=counts[1], false_positives=counts[2])


def gross(scores: Sequence[BeatScore]) -> BeatScore:
    """The beats of all records pooled."""
    return BeatScore(
        true_positives=sum(score.true_positives for score in scores),
        false_negatives=sum(score.false_negatives for score in scores),
        false_positives=sum(score.false_positives for score in scores),
    )


def average(scores: Sequence[BeatScore]) -> dict[str, float]:
    """Mean over records of each figure; records where a figure is undefined do not enter it."""
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
