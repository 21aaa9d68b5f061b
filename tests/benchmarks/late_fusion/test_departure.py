import dataclasses

import numpy as np
import pytest

from benchmarks.late_fusion.departure import departure_features
from crtcore.data.loader import ImageSet, load_images
from tests.crtcore.training.tiny_sets import Prepared


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_a_beat_is_compared_with_its_own_record_and_lead(images: ImageSet) -> None:
    feature_NP = departure_features(images)
    assert feature_NP.shape == (images.num_images, 64)
    rows = np.flatnonzero((images.record_N == "101") & (images.lead_N == 1))
    # One block by hand: the third of the frequencies, the second of the frames.
    block_N = images.image_NFT[rows, 16:24, 8:16].mean(axis=(1, 2))
    np.testing.assert_allclose(feature_NP[rows, 2 * 8 + 1], block_N - np.median(block_N), atol=1e-3)
    # Another record that is brighter all over differs from its own median as before.
    brighter_NFT = np.where(
        (images.record_N == "101")[:, None, None], images.image_NFT, images.image_NFT // 2 + 90
    )
    others = dataclasses.replace(images, image_NFT=brighter_NFT.astype(np.uint8))
    np.testing.assert_array_equal(departure_features(others)[rows], feature_NP[rows])
