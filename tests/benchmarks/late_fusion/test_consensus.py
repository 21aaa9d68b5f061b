import dataclasses

import numpy as np
import pytest
from scipy.special import log_softmax

from benchmarks.late_fusion.consensus import BEATS_PER_CLUSTER, beat_clusters, consensus
from benchmarks.late_fusion.departure import departure_features
from crtcore.data.loader import ImageSet, load_images
from crtcore.signal.recording import IntArray
from tests.crtcore.training.tiny_sets import LEADS, Prepared, Source, commit_set


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    """Two records whose third beats look different, and come early in the first."""
    num_beats = 3 * BEATS_PER_CLUSTER
    sources = [
        Source(
            patient_id=name,
            record_id=name,
            label=-1,
            symbol_B=["N", "N", "V"] * (num_beats // 3),
            level_B=[0.0, 0.0, 0.9] * (num_beats // 3),
        )
        for name in ("101", "106")
    ]
    images = load_images(prepared.store, commit_set(prepared.store, "consensus", sources))
    early_N = (images.symbol_N == "V") & (images.record_N == "101")
    return dataclasses.replace(
        images, rr_previous_s_N=np.where(early_N, 0.5, images.rr_previous_s_N).astype(np.float32)
    )


def clusters_of(images: ImageSet) -> IntArray:
    return beat_clusters(images, departure_features(images), seed=0)


def test_beats_with_similar_images_and_timing_share_a_cluster_of_their_record_and_lead(
    images: ImageSet,
) -> None:
    cluster_N = clusters_of(images)
    assert np.array_equal(cluster_N, clusters_of(images))
    for cluster in np.unique(cluster_N):
        rows = np.flatnonzero(cluster_N == cluster)
        assert len(np.unique(images.record_N[rows])) == len(np.unique(images.lead_N[rows])) == 1
        assert len(np.unique(images.symbol_N[rows])) == 1
    assert len(np.unique(cluster_N)) == 2 * len(LEADS) * 3  # the largest number for so many beats


def test_beats_without_signal_are_one_cluster(images: ImageSet) -> None:
    silent = dataclasses.replace(
        images,
        image_NFT=np.zeros_like(images.image_NFT),
        rr_previous_s_N=np.full_like(images.rr_previous_s_N, 0.8),
    )
    assert len(np.unique(clusters_of(silent))) == 2 * len(LEADS)


def test_few_beats_are_one_cluster(prepared: Prepared) -> None:
    few = Source(patient_id="101", record_id="101", label=-1, symbol_B=["N", "V"], level_B=[0.0, 0.9])
    images = load_images(prepared.store, commit_set(prepared.store, "few", [few]))
    assert clusters_of(images).tolist() == [0, 1, 0, 1]  # one cluster per lead


def test_the_consensus_is_the_mean_over_the_cluster() -> None:
    log_probability_NK = log_softmax(np.random.default_rng(0).normal(size=(6, 3)), axis=1)
    cluster_N = np.array([7, 3, 7, 7, 3, 9])
    together_NK = consensus(log_probability_NK, cluster_N)
    np.testing.assert_allclose(np.exp(together_NK).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(together_NK[0]), np.exp(log_probability_NK[[0, 2, 3]]).mean(axis=0))
    np.testing.assert_array_equal(together_NK[[0, 2]], together_NK[[2, 3]])
    np.testing.assert_allclose(together_NK[5], log_probability_NK[5])
