"""Clusters of similar beats in a record, and the mean prediction of a cluster.

A record has few kinds of beats and many beats of each kind, and a prediction for one beat is noisy. Llamedo &
Martinez 2012 (IEEE TBME 59:2312) let the beats of a cluster vote.
Legend: N images, C clusters, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.late_fusion.groups import rows_by_record_and_lead
from crtcore.data.loader import ImageSet
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray, IntArray

MOST_CLUSTERS: Final = 16
BEATS_PER_CLUSTER: Final = 20
# The weight of RR intervals (relative to the record's median) against the images (of total variance 1).
TIMING_WEIGHT: Final = 6.0
LEAST_PROBABILITY: Final = 1e-12

Float64Array = npt.NDArray[np.float64]


def beat_clusters(images: ImageSet, departure_NP: FloatArray, *, seed: int) -> IntArray:
    """The cluster of each image, shape (images,). Clusters hold images of one record and lead.

    The method is k-means on `departure_NP` (of `departure_features`), scaled to a total variance of 1 in the
    record, and on the previous and the next RR interval, divided by the record's median. Labels are not used.
    """
    cluster_N = np.empty(images.num_images, dtype=np.int64)
    num_clusters = 0
    # scikit-learn sums the centres in the order in which its threads end: only one thread is repeatable.
    with threadpool_limits(1, user_api="openmp"):
        for rows in rows_by_record_and_lead(images):
            point_ND = _points(departure_NP[rows], images.rr_previous_s_N[rows], images.rr_next_s_N[rows])
            most = min(MOST_CLUSTERS, len(rows) // BEATS_PER_CLUSTER, len(np.unique(point_ND, axis=0)))
            # scikit-learn's seeds have 32 bits.
            k_means = KMeans(max(1, most), n_init=2, random_state=child_seed(seed, "clusters") % 2**32)
            cluster_N[rows] = num_clusters + k_means.fit_predict(point_ND)
            num_clusters += k_means.n_clusters
    return cluster_N


def consensus(log_probability_NK: Float64Array, cluster_N: IntArray) -> Float64Array:
    """The logarithm of the mean probabilities of each image's cluster, shape (images, classes)."""
    _, index_N, size_C = np.unique(cluster_N, return_inverse=True, return_counts=True)
    mean_CK = np.stack(
        [np.bincount(index_N, weights=column) / size_C for column in np.exp(log_probability_NK).T], axis=1
    )
    return np.log(np.maximum(mean_CK, LEAST_PROBABILITY))[index_N]


def _points(departure_NP: FloatArray, previous_s_N: FloatArray, next_s_N: FloatArray) -> Float64Array:
    spread = np.sqrt(departure_NP.var(axis=0, dtype=np.float64).sum())
    typical_s = np.median(previous_s_N)
    timing_N2 = np.stack([previous_s_N, next_s_N], axis=1) / typical_s
    return np.hstack([departure_NP / (spread or 1.0), TIMING_WEIGHT * timing_N2])
