"""Bootstrap draws of patients, stratified by outcome, and AUCs on the drawn ones.

Legend: B draws, P patients, C configurations, F folds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.leave_pair_out import Float64Matrix, wins
from crtcore.evaluation.metrics import FloatScores, IntLabels

Float64Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """`positive_BP` and `negative_BP` are how often each draw has each patient of label 1 and of label 0."""

    label_P: IntLabels
    positive_BP: Float64Matrix
    negative_BP: Float64Matrix

    def __len__(self) -> int:
        return len(self.positive_BP)

    def aucs(self, score_PC: FloatScores) -> Float64Matrix:
        """The AUC of each configuration on the patients of each draw, over all pairs, shape (B, C).

        Equal AUCs are equal to the last bit, because sums of halves are exact.
        """
        num_pairs = self.positive_BP[0].sum() * self.negative_BP[0].sum()
        auc_CB = [
            ((self.positive_BP @ wins(self.label_P, score_P)) * self.negative_BP).sum(axis=1) / num_pairs
            for score_P in score_PC.T
        ]
        return np.stack(auc_CB, axis=1)


class FoldMean:
    """The mean over folds of the AUC of a fold's drawn patients: what a trial reports, recomputed.

    `fold_RP` is the number of the fold that scored a patient, by repeat. A fold without a drawn pair is left
    out. If no fold has one, the value is 0.5.
    """

    def __init__(self, draws: Draws, fold_RP: npt.NDArray[np.integer]) -> None:
        self._draws = draws
        positive_P, negative_P = draws.label_P == 1, draws.label_P == 0
        self._is_inside = [
            fold_P[positive_P, None] == fold_P[None, negative_P] for fold_P in fold_RP
        ]  # of a pair: both patients are in one fold
        self._fold_PF = [1.0 * (fold_P[negative_P, None] == np.unique(fold_P)) for fold_P in fold_RP]
        self._num_pairs_BF = [
            (draws.positive_BP @ (1.0 * (fold_P[positive_P, None] == np.unique(fold_P))))
            * (draws.negative_BP @ fold_PF)
            for fold_P, fold_PF in zip(fold_RP, self._fold_PF, strict=True)
        ]
        self._num_folds_B = np.sum([(num_BF > 0).sum(axis=1) for num_BF in self._num_pairs_BF], axis=0)

    def __call__(self, score_RP: FloatScores) -> Float64Vector:
        """One value for each draw."""
        total_B = np.zeros(len(self._draws))
        for score_P, is_inside, fold_PF, num_BF in zip(
            score_RP, self._is_inside, self._fold_PF, self._num_pairs_BF, strict=True
        ):
            won_PP = wins(self._draws.label_P, score_P) * is_inside
            won_BF = ((self._draws.positive_BP @ won_PP) * self._draws.negative_BP) @ fold_PF
            total_B += (won_BF / np.maximum(num_BF, 1)).sum(axis=1)
        return np.where(self._num_folds_B > 0, total_B / np.maximum(self._num_folds_B, 1), 0.5)


def draw_patients(label_P: IntLabels, num_draws: int, rng: np.random.Generator) -> Draws:
    """Draws with replacement, with as many patients of each outcome as the cohort has."""
    num_negative, num_positive = np.bincount(label_P).tolist()
    positive_BP, negative_BP = (_draws(num, num_draws, rng) for num in (num_positive, num_negative))
    return Draws(label_P=label_P, positive_BP=positive_BP, negative_BP=negative_BP)


def _draws(num_patients: int, num_draws: int, rng: np.random.Generator) -> Float64Matrix:
    share_P = np.full(num_patients, 1 / num_patients)
    return rng.multinomial(num_patients, share_P, size=num_draws).astype(np.float64)
