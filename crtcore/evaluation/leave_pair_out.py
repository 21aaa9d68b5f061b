"""The AUC of the selected configurations on left-out patients, with its variance, from bootstrap draws.

Each pair of a positive and a negative patient is averaged over the draws that left out both (leave-pair-out
bootstrap; Yousef, Wagner & Loew 2005, Pattern Recognit. Lett. 26:2600). This makes the estimate a smooth
function of the patients' weights, so the infinitesimal jackknife (Efron & Tibshirani 1997, JASA 92:548) gives
its variance from the same draws.

Tsamardinos et al. 2018 use the percentiles of the draws' AUCs. Those are AUCs on the 37 % of patients that a
draw leaves out, and the interval is too wide: with 46/25 patients, it covered the truth in 99.5-100 % of
simulated studies. Here a patient's influence has two parts: the patient is scored, and takes part in
choosing.
- The variance of the first part takes the choice as fixed. Coverage: 68 % with independent configurations.
- The variance of both parts, minus its Monte Carlo part (Wager, Hastie & Efron 2014, JMLR 15:1625), is up to
  3.5 times too large if configurations are independent and equally good. Coverage: 99.5 %. The part of
  choosing is then an interaction of patients, and a jackknife counts an interaction of k patients k times
  (Efron & Stein 1981, Ann. Stat. 9:586).
- So half of the part of choosing is enough in that case (97 %). If configurations really differ, half covers
  90 %, and the whole covers 95 %.
We add three quarters, a compromise from simulated studies. `benchmarks/selection.py` measures the coverage.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.metrics import FloatScores, IntLabels

SHARE_OF_CHOOSING: Final = 0.75

Float64Matrix = npt.NDArray[np.float64]


def leave_pair_out(
    label_P: IntLabels,
    score_PC: FloatScores,
    picked_B: npt.NDArray[np.int64],
    positive_BP: Float64Matrix,
    negative_BP: Float64Matrix,
) -> tuple[float, float]:
    """The estimate and its variance.

    `picked_B` is the column of `score_PC` that each draw selects. `positive_BP` and `negative_BP` are how
    often it draws each patient of label 1 and of label 0.
    """
    pair_PP, residual_B = _left_out(label_P, score_PC, picked_B, positive_BP, negative_BP)
    return float(pair_PP.mean()), _variance(pair_PP, residual_B, positive_BP, negative_BP)


def wins(label_P: IntLabels, score_P: FloatScores) -> Float64Matrix:
    """Shape (positives, negatives): 1 if the positive patient scores higher, 1/2 for a tie, else 0."""
    positive, negative = score_P[label_P == 1, None], score_P[None, label_P == 0]
    won: Float64Matrix = (positive > negative) + 0.5 * (positive == negative)
    return won


def _left_out(
    label_P: IntLabels,
    score_PC: FloatScores,
    picked_B: npt.NDArray[np.int64],
    positive_BP: Float64Matrix,
    negative_BP: Float64Matrix,
) -> tuple[Float64Matrix, Float64Matrix]:
    """The mean win of each pair over the draws that left out both, and each draw's sum of deviations from it.

    Shapes (positives, negatives) and (draws,). A deviation is divided by the number of draws of its pair.
    """
    positive_out_BP, negative_out_BP = (1.0 * (count_BP == 0) for count_BP in (positive_BP, negative_BP))
    num_draws_PP = positive_out_BP.T @ negative_out_BP
    assert (num_draws_PP > 0).all(), "too few draws for a cohort this small"
    draws_of = {int(number): np.flatnonzero(picked_B == number) for number in np.unique(picked_B)}
    pair_PP = np.zeros_like(num_draws_PP)
    for number, draws in draws_of.items():
        pair_PP += (positive_out_BP[draws].T @ negative_out_BP[draws]) * wins(label_P, score_PC[:, number])
    pair_PP /= num_draws_PP
    residual_B = np.empty(len(picked_B))
    for number, draws in draws_of.items():
        deviation_PP = (wins(label_P, score_PC[:, number]) - pair_PP) / num_draws_PP
        residual_B[draws] = ((positive_out_BP[draws] @ deviation_PP) * negative_out_BP[draws]).sum(axis=1)
    return pair_PP, residual_B


def _variance(
    pair_PP: Float64Matrix, residual_B: Float64Matrix, positive_BP: Float64Matrix, negative_BP: Float64Matrix
) -> float:
    """The variance of the estimate: the part of scoring, and a share of the part of choosing."""
    num_positive, num_negative = pair_PP.shape
    scored = both = 0.0
    for axis, count_BP in ((1, positive_BP), (0, negative_BP)):
        num, num_other = pair_PP.shape[1 - axis], pair_PP.shape[axis]
        scored_P = pair_PP.mean(axis=axis) - pair_PP.mean()
        choosing_P = residual_B @ count_BP / num_other
        scored += float((scored_P**2).sum()) / (num * (num - 1))
        both += float(((scored_P + choosing_P) ** 2).sum()) / (num * (num - 1))
    monte_carlo = (num_positive + num_negative) / (num_positive * num_negative) ** 2 * (residual_B**2).sum()
    return scored + SHARE_OF_CHOOSING * max(0.0, both - float(monte_carlo) - scored)
