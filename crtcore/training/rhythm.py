"""Beats told apart by their timing and amplitude alone: what a spectrogram scaled to its own beat forgets.

Legend: N images, D features, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from crtcore.data.loader import ImageSet
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.training.priors import class_weights, corrected_log_probabilities

LOWEST_AMPLITUDE_MV: Final = 1e-3
LEAST_PROBABILITY: Final = 1e-6  # of a class that the model never saw
# Small trees and a slow rate: the beats are many and the patients few.
SETTINGS: Final = {
    "max_iter": 150,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 50,
    "early_stopping": False,
}


def rhythm_features(images: ImageSet) -> FloatArray:
    """Features of each image, shape (images, 18): RR intervals as de Chazal et al. 2004 (IEEE TBME 51:1196)
    use them, relative, and the beat's amplitude.

    The previous and the next RR interval over their local mean, the logarithm of their ratio, both over the
    median of the record, the logarithm of the beat's amplitude, and the same less the record's median in that
    lead; then the first, the second and the last of the beat before and the beat after in the set, and by how
    much the beat is larger than they are; then the previous RR interval over the record's mean, third
    quartile and 90th percentile, since in a record where most beats come early the median is theirs. What is
    typical comes from the beats of one record alone, labels unseen.
    """
    previous_N = images.rr_previous_s_N.astype(np.float64)
    next_N = images.rr_next_s_N.astype(np.float64)
    local_N = previous_N / images.rr_ratio_N
    log_amplitude_N = np.log(np.maximum(images.amplitude_mv_N, LOWEST_AMPLITUDE_MV)).astype(np.float64)
    typical_rr_N, typical_amplitude_N = np.empty_like(previous_N), np.empty_like(previous_N)
    long_rr_3N = np.empty((3, images.num_images))
    before_N, after_N = np.arange(images.num_images), np.arange(images.num_images)
    _, record_N = np.unique(images.record_N, return_inverse=True)
    for record in range(int(record_N.max()) + 1):
        rows = np.flatnonzero(record_N == record)
        typical_rr_N[rows] = np.median(previous_N[rows])
        long_rr_3N[:, rows] = np.array(
            [previous_N[rows].mean(), *np.quantile(previous_N[rows], [0.75, 0.9])]
        )[:, None]
        for lead in np.unique(images.lead_N[rows]):
            of_lead = rows[images.lead_N[rows] == lead]
            typical_amplitude_N[of_lead] = np.median(log_amplitude_N[of_lead])
            before_N[of_lead[1:]], after_N[of_lead[:-1]] = of_lead[:-1], of_lead[1:]
    columns: list[npt.NDArray[np.floating]] = [
        images.rr_ratio_N,
        next_N / local_N,
        np.log(next_N / previous_N),
        previous_N / typical_rr_N,
        next_N / typical_rr_N,
        log_amplitude_N,
        log_amplitude_N - typical_amplitude_N,
    ]
    for neighbour_N in (before_N, after_N):  # a first or last beat is its own
        columns += [columns[index][neighbour_N] for index in (0, 1, 6)]
        columns.append(log_amplitude_N - log_amplitude_N[neighbour_N])
    columns += list(previous_N / long_rr_3N)
    return np.stack(columns, axis=1).astype(np.float32)


def rhythm_log_probabilities(
    feature_ND: FloatArray,
    label_N: IntArray,
    *,
    train: IntArray,
    test: IntArray,
    num_classes: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """The log probabilities of the classes of the rows `test`, shape (test, classes), from those of `train`.

    Histogram gradient boosting (Ke et al. 2017, NeurIPS, in scikit-learn's form), rare classes weighing more
    and the shift of priors undone, as for the network.
    """
    weight_K = class_weights(label_N[train], num_classes)
    # scikit-learn takes seeds of 32 bits.
    model = HistGradientBoostingClassifier(**SETTINGS, random_state=child_seed(seed, "rhythm") % 2**32)
    model.fit(feature_ND[train], label_N[train], sample_weight=weight_K[label_N[train]])
    probability_NK = np.full((len(test), num_classes), LEAST_PROBABILITY)
    probability_NK[:, model.classes_] = np.maximum(model.predict_proba(feature_ND[test]), LEAST_PROBABILITY)
    return corrected_log_probabilities(np.log(probability_NK), weight_K)
