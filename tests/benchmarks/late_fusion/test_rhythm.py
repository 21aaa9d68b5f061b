import dataclasses

import numpy as np
import pytest

from benchmarks.late_fusion.rhythm import rhythm_features
from crtcore.data.loader import ImageSet, load_images
from tests.crtcore.training.tiny_sets import Prepared


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_features_are_relative_to_the_record_and_finite(images: ImageSet) -> None:
    rng = np.random.default_rng(0)
    previous_N = rng.uniform(0.4, 1.2, images.num_beats).astype(np.float32)[images.beat_N]
    varied = dataclasses.replace(
        images,
        rr_previous_s_N=previous_N,
        rr_next_s_N=previous_N[::-1].copy(),
        rr_ratio_N=(previous_N / 0.8).astype(np.float32),
        amplitude_mv_N=rng.uniform(0, 2, images.num_images).astype(np.float32),
    )
    feature_ND = rhythm_features(varied)
    assert feature_ND.shape == (images.num_images, 18)
    assert np.isfinite(feature_ND).all()
    rows = np.flatnonzero((images.record_N == "101") & (images.lead_N == 1))
    np.testing.assert_allclose(feature_ND[:, 1], previous_N[::-1] / 0.8, rtol=1e-5)
    np.testing.assert_allclose(feature_ND[rows, 3], previous_N[rows] / np.median(previous_N[rows]), rtol=1e-5)
    of_rows = previous_N[rows].astype(np.float64)
    for column, typical in zip(
        (15, 16, 17), (of_rows.mean(), *np.quantile(of_rows, [0.75, 0.9])), strict=True
    ):
        np.testing.assert_allclose(feature_ND[rows, column], of_rows / typical, rtol=1e-5)
    before_ND, after_ND = feature_ND[rows, 7:11], feature_ND[rows, 11:15]
    np.testing.assert_array_equal(before_ND[1:, :3], feature_ND[rows[:-1]][:, [0, 1, 6]])
    np.testing.assert_array_equal(after_ND[:-1, :3], feature_ND[rows[1:]][:, [0, 1, 6]])
    np.testing.assert_array_equal(before_ND[0, :3], feature_ND[rows[0]][[0, 1, 6]])
    np.testing.assert_allclose(before_ND[1:, 3], np.diff(feature_ND[rows, 5]), atol=1e-6)
    slow = dataclasses.replace(varied, rr_previous_s_N=previous_N * 2, rr_next_s_N=previous_N[::-1] * 2)
    relative = [*range(5), 15, 16, 17]
    np.testing.assert_allclose(rhythm_features(slow)[:, relative], feature_ND[:, relative], rtol=1e-4)
    louder = dataclasses.replace(varied, amplitude_mv_N=np.maximum(varied.amplitude_mv_N, 0.1) * 3)
    quiet = dataclasses.replace(varied, amplitude_mv_N=np.maximum(varied.amplitude_mv_N, 0.1))
    np.testing.assert_allclose(rhythm_features(louder)[:, 6], rhythm_features(quiet)[:, 6], atol=1e-5)
