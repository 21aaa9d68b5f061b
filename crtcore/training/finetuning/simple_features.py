"""The features that simple models read, of all patients of a cohort or of one recording.

Legend: P patients, B beats, C leads, N images, F frequency bins, T frames, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from crtcore.config import FEATURE_MODELS, SimpleModel
from crtcore.data.loader import ImageSet
from crtcore.evaluation.clinical import clinical_values
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.signal.recording import IntArray, Recording, StrArray
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import DeviceImages
from crtcore.training.finetuning.features import frozen_activations, load_activations
from crtcore.training.finetuning.patient_table import load_patient_table, qrs_features
from crtcore.training.finetuning.patients import mean_by_patient

POOLED_TO: Final = 16  # pixels per side: plain models score no better with more pixels, and take much longer
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortFeatures:
    """One row of `value_PD` per patient, in the order of their ids, NaN where a value is missing.

    `num_beats_P` is how many beats each patient has in the images of the cohort.
    """

    names: tuple[str, ...]
    value_PD: Float64Array
    id_P: StrArray
    label_P: IntArray
    num_beats_P: IntArray


def cohort_features(
    model: SimpleModel,
    store: StageStore,
    images: ImageSet,
    *,
    features: Stage | None,
    table: Stage | None,
) -> CohortFeatures:
    """The features of all patients who have images.

    `features` is the stage of all five frozen groups, which the two models of features read; `table` is the
    stage that `clinical` and `qrs` read. Both must be committed.
    """
    first_of_beat = slice(None, None, len(images.leads))
    id_P, first_P, patient_B = np.unique(
        images.patient_N[first_of_beat], return_index=True, return_inverse=True
    )
    if model in ("clinical", "qrs"):
        assert table is not None
        found = load_patient_table(store, table, id_P)
        names, value_PD = found.names, found.value_PD
    else:
        if model == "pixels":
            value_ND = pooled_pixels(images.image_NFT)
        else:
            assert features is not None
            value_ND = load_activations(store, features).numpy().astype(np.float64)
        value_PD = mean_by_patient(value_ND.reshape(len(patient_B), -1), patient_B, len(id_P))
        names = feature_names(model, images.leads, value_ND.shape[1])
    return CohortFeatures(
        names=names,
        value_PD=value_PD,
        id_P=id_P,
        label_P=images.label_N[first_of_beat][first_P],
        num_beats_P=np.bincount(patient_B),
    )


def recording_features(
    model: SimpleModel,
    names: tuple[str, ...],
    *,
    recording: Recording | None = None,
    image_BCFT: npt.NDArray[np.uint8] | None = None,
    backbone: Backbone | None = None,
    clinical: Mapping[str, Any] | None = None,
) -> Float64Array:
    """The features of one recording, shape (D,), those called `names`; NaN where a value is missing.

    `qrs` reads the whole `recording`, `pixels` the images of its beats, the two models of features the images
    and the `backbone`, `clinical` the manifest's values by column. DataError if a clinical value cannot be
    used.
    """
    if model == "clinical":
        assert clinical is not None
        return clinical_values(clinical, names)
    if model == "qrs":
        assert recording is not None
        return qrs_features(recording)
    assert image_BCFT is not None
    num_beats = len(image_BCFT)
    image_NFT = image_BCFT.reshape(-1, *image_BCFT.shape[2:])
    if model == "pixels":
        value_ND = pooled_pixels(image_NFT)
    else:
        assert model in FEATURE_MODELS and backbone is not None
        images = DeviceImages(image_NFT, torch.device("cpu"))
        value_ND = frozen_activations(backbone, images, len(GROUPS)).numpy().astype(np.float64)
    return np.asarray(value_ND.reshape(num_beats, -1).mean(axis=0))


def pooled_pixels(image_NFT: npt.NDArray[np.uint8]) -> Float64Array:
    """Each image as 16 x 16 means of its pixels, shape (images, 256), row by row."""
    num_images, frequencies, frames = image_NFT.shape
    blocks = image_NFT.reshape(
        num_images, POOLED_TO, frequencies // POOLED_TO, POOLED_TO, frames // POOLED_TO
    )
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(num_images, -1))


def feature_names(model: str, leads: tuple[str, ...], num_features: int) -> tuple[str, ...]:
    """The names of the features of images: lead after lead, the same number in each."""
    kind = "pixel" if model == "pixels" else "feature"
    return tuple(f"{lead} {kind} {number}" for lead in leads for number in range(num_features))
