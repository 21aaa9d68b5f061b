"""Beats told apart by how their image departs from what is typical of its record.

From patient to patient beats of one class look different, and a network that sees one image at a time cannot
know what this patient's are like; beside the other beats of its record an ectopic one stands out.
Legend: N images, P pixels.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.data.loader import ImageSet
from crtcore.signal.recording import FloatArray
from crtcore.signal.spectrogram import IMAGE_SHAPE

SIDE: Final = 8


def departure_features(images: ImageSet) -> FloatArray:
    """Each image less the median image of its record in its lead, shape (images, 64).

    Images are first averaged to 8 x 8 pixels, whose unit stays theirs: a 255th of the dynamic range. What is
    typical comes from the beats of one record alone, labels unseen.
    """
    feature_NP = np.empty((images.num_images, SIDE * SIDE), dtype=np.float32)
    for rows in images.rows_by_record_and_lead():
        coarse_NP = _averaged(images.image_NFT[rows])
        feature_NP[rows] = coarse_NP - np.median(coarse_NP, axis=0)
    return feature_NP


def _averaged(image_NFT: npt.NDArray[np.uint8]) -> FloatArray:
    height, width = (size // SIDE for size in IMAGE_SHAPE)
    blocks = image_NFT.reshape(-1, SIDE, height, SIDE, width)
    mean_NP: FloatArray = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(-1, SIDE * SIDE)
    return mean_NP
