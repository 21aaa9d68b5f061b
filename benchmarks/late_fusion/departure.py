"""Features of how a beat's image differs from the typical image of its record.

Beats of one class look different in different patients. A network that sees one image at a time does not know
what is normal for this patient. An ectopic beat differs from the other beats of its record.
Legend: N images, P pixels.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.late_fusion.groups import rows_by_record_and_lead
from crtcore.data.loader import ImageSet
from crtcore.signal.recording import FloatArray
from crtcore.signal.spectrogram import IMAGE_SHAPE

SIDE: Final = 8


def departure_features(images: ImageSet) -> FloatArray:
    """Each image minus the median image of its record and lead, shape (images, 64).

    Images are first averaged to 8 x 8 pixels. The unit is 1/255 of the dynamic range. The median is over the
    beats of one record only, and labels are not used.
    """
    feature_NP = np.empty((images.num_images, SIDE * SIDE), dtype=np.float32)
    for rows in rows_by_record_and_lead(images):
        coarse_NP = _averaged(images.image_NFT[rows])
        feature_NP[rows] = coarse_NP - np.median(coarse_NP, axis=0)
    return feature_NP


def _averaged(image_NFT: npt.NDArray[np.uint8]) -> FloatArray:
    height, width = (size // SIDE for size in IMAGE_SHAPE)
    blocks = image_NFT.reshape(-1, SIDE, height, SIDE, width)
    mean_NP: FloatArray = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(-1, SIDE * SIDE)
    return mean_NP
