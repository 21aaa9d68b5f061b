"""How a trial that was stopped early might have gone on: its later scores, drawn from what other trials did.

A trial's later scores are those of a donor, a random trial that did reach the later epoch, moved by how the
two differed before: score(later) = donor(later) + sum over earlier epochs of slope * (own - donor). The
slopes are least squares within patients over all trials that reached the later epoch. Epoch after epoch, a
continued trial uses its own continued scores. Scores are normal scores (the normal quantile of a patient's
rank within a repeat), so that trials compare.

The assumption: whether a trial was stopped depends only on its scores up to then ("missing at random";
Little & Rubin 2019, section 1.3). For a scheduler this is true by design. So the slopes are not biased by
which trials were stopped, and the donor's part beyond them is noise that did not decide. What is assumed
beyond that is that the relation is linear.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from crtcore.evaluation.metrics import FloatScores
from crtcore.evaluation.ranks import midranks

NUM_EARLIER: Final = 3  # how many epochs back the slopes look

Scores = npt.NDArray[np.float64]
Curves = Mapping[int, Mapping[int, FloatScores]]  # trial -> epoch -> scores of shape (repeats, patients)


def normal_scores(score_RP: FloatScores) -> Scores:
    """The normal quantile of each patient's rank within a repeat."""
    rank_RP = midranks(score_RP)
    return np.asarray(ndtri((rank_RP - 0.5) / score_RP.shape[1]))


def continue_curves(
    curves: Curves, stopped: Sequence[int], *, epochs: Sequence[int], rng: np.random.Generator
) -> dict[int, dict[int, Scores]]:
    """Normal scores of the trials `stopped` after those of `epochs` (ascending) that they did not reach.

    Where no trial can be a donor, the curves end.
    """
    normal = {
        trial: {epoch: normal_scores(curve[epoch]) for epoch in epochs if epoch in curve}
        for trial, curve in curves.items()
    }
    whole = {trial: dict(normal[trial]) for trial in stopped}
    continued: dict[int, dict[int, Scores]] = {trial: {} for trial in stopped}
    for place, epoch in enumerate(epochs):
        before = epochs[max(0, place - NUM_EARLIER) : place]
        missing = [
            trial
            for trial in stopped
            if epoch not in whole[trial] and before and all(each in whole[trial] for each in before)
        ]
        donors = [trial for trial, curve in normal.items() if all(each in curve for each in (*before, epoch))]
        if not missing or not donors:
            continue
        slopes = _slopes([normal[trial] for trial in donors], before, epoch)
        for trial, donor in zip(missing, rng.choice(donors, size=len(missing)).tolist(), strict=True):
            moved = [
                slope * (whole[trial][each] - normal[donor][each])
                for slope, each in zip(slopes, before, strict=True)
            ]
            whole[trial][epoch] = continued[trial][epoch] = normal[donor][epoch] + np.sum(moved, axis=0)
    return continued


def _slopes(donors: Sequence[Mapping[int, Scores]], before: Sequence[int], epoch: int) -> list[float]:
    """Of the scores after `epoch` on those after each epoch of `before`, within patients."""
    earlier_NE = np.stack([_within_patients(donors, each) for each in before], axis=1)
    slopes, *_ = np.linalg.lstsq(earlier_NE, _within_patients(donors, epoch), rcond=None)
    return [float(slope) for slope in slopes]


def _within_patients(donors: Sequence[Mapping[int, Scores]], epoch: int) -> Scores:
    """Scores less their mean over trials, for each trial, repeat and patient."""
    score_TRP = np.stack([curve[epoch] for curve in donors])
    return np.asarray((score_TRP - score_TRP.mean(axis=0)).ravel())
