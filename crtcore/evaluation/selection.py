"""What the winner of a search would score on new patients: BBC-CV over the sweep's out-of-fold predictions.

The best of many cross-validated configurations is best partly by luck. The bootstrap bias-corrected
cross-validation of Tsamardinos, Greasidou & Borboudakis 2018 (Machine Learning 107:1895) repeats the choice
itself: on each bootstrap draw of the patients it picks the best configuration, and scores that pick on the
patients the draw left out. Here patients are drawn by outcome (stratified), as the folds are, the patients
left out are averaged pair by pair, and the interval is not the paper's: `leave_pair_out.py` says why.

What it cannot correct: the scores of the patients left out come from models that were trained on those drawn,
and the other way round, so a chance pattern of the whole cohort that a configuration exploits helps it on
both sides. On simulated cohorts without any signal the estimate was 0.52 for searches over regularisation and
number of features, 0.55 for one over random subsets of features (naive: 0.56-0.57, 0.67); with a signal (true
AUC 0.6-0.8) it was right to 0.015. Only nested cross-validation or new patients are free of this.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.errors import DataError
from crtcore.evaluation.intervals import cross_validation_factor, logit_interval
from crtcore.evaluation.leave_pair_out import Float64Matrix, leave_pair_out, wins
from crtcore.evaluation.metrics import FloatScores, IntLabels, auc_rows, check_scores
from crtcore.seeding import child_seed


@dataclass(frozen=True, kw_only=True)
class BbcEstimate:
    """AUC of "run this search and keep its best": `estimate` with its 95 % interval `low` to `high`.

    `standard_error` is the estimate's; the interval is symmetric on the logit scale. `naive` is the AUC of
    the configuration that is best on all patients, measured on those same patients.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    naive: float
    num_draws: int
    num_configurations: int
    num_patients: int


def bbc_cv(
    label_P: IntLabels,
    score_PC: FloatScores,
    *,
    num_folds: int | None = None,
    num_draws: int = 1000,
    seed: int,
) -> BbcEstimate:
    """BBC-CV of the AUC for C configurations cross-validated on the same folds of the same P patients.

    `label_P` is 0/1; `score_PC[p, c]` is configuration c's out-of-fold score of patient p, so configurations
    that were stopped before their last epoch have no column: the search is judged as if it had not tried
    them, which is slightly optimistic if some would have won. AUC is over all pairs of patients (pooled over
    folds). Of configurations tied on the drawn patients the first is picked. Of one configuration nothing is
    picked: the estimate is its AUC and the interval DeLong's.
    `num_folds` is the number of folds behind the scores; the variance is widened for it
    (`cross_validation_factor`: without it the intervals of really trained models covered 0.85-0.88, with it
    0.94-0.98). None is for scores of models that were not trained on these patients.
    DataError with fewer than two patients of an outcome, when no draw could serve.
    """
    num_patients, num_configurations = score_PC.shape
    assert num_configurations > 0 and num_draws >= 100
    for score_P in score_PC.T:
        check_scores(label_P, score_P)
    num_negative, num_positive = np.bincount(label_P).tolist()
    if min(num_negative, num_positive) < 2:
        raise DataError(
            f"the selection-corrected estimate needs two or more patients of each outcome, and of the "
            f"cohort's {num_patients} patients only one has label {int(num_positive < 2)}"
        )
    rng = np.random.default_rng(child_seed(seed, "bbc_cv"))
    positive_BP, negative_BP = (_draws(num, num_draws, rng) for num in (num_positive, num_negative))
    picked_B = _picks(label_P, score_PC, positive_BP, negative_BP)
    estimate, variance = leave_pair_out(label_P, score_PC, picked_B, positive_BP, negative_BP)
    variance *= cross_validation_factor(num_folds)
    interval = logit_interval(estimate, variance, num_pairs=min(num_negative, num_positive))
    return BbcEstimate(
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        standard_error=float(np.sqrt(variance)),
        naive=float(auc_rows(label_P, score_PC.T).max()),
        num_draws=num_draws,
        num_configurations=num_configurations,
        num_patients=num_patients,
    )


def _draws(num_patients: int, num_draws: int, rng: np.random.Generator) -> Float64Matrix:
    """How often each patient of one outcome is drawn, (draws, patients)."""
    share_P = np.full(num_patients, 1 / num_patients)
    return rng.multinomial(num_patients, share_P, size=num_draws).astype(np.float64)


def _picks(
    label_P: IntLabels, score_PC: FloatScores, positive_BP: Float64Matrix, negative_BP: Float64Matrix
) -> npt.NDArray[np.int64]:
    """The configuration with the highest AUC on each draw's patients."""
    best_B = np.full(len(positive_BP), -1.0)
    picked_B = np.zeros(len(positive_BP), dtype=np.int64)
    for number, score_P in enumerate(score_PC.T):
        # Halves times whole numbers: exact, so equal AUCs compare equal.
        wins_B = np.einsum("bn,bn->b", positive_BP @ wins(label_P, score_P), negative_BP)
        better_B = wins_B > best_B
        best_B[better_B] = wins_B[better_B]
        picked_B[better_B] = number
    return picked_B
