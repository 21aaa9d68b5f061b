"""A simple model, ready to predict: logistic regression as numbers in JSON, and the frozen network whose
features it reads, if it does.

Legend: B beats, C leads, F frequency bins, T frames, D features.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from crtcore.config import FEATURE_MODELS, SimpleModel
from crtcore.errors import DataError, StorageError
from crtcore.evaluation.linear_model import LinearModel
from crtcore.model.backbones import Backbone, Classifier
from crtcore.model.checkpoint import encode_classifier, load_backbone
from crtcore.prediction.network import BACKBONE_FILE, require_finite
from crtcore.settings import Settings
from crtcore.signal.recording import Recording
from crtcore.training.finetuning.patient_table import QRS_NAMES
from crtcore.training.finetuning.simple_features import POOLED_TO, feature_names, recording_features

LINEAR_FILE: Final = "linear.json"
_VERSION: Final = 1
Float64Array = npt.NDArray[np.float64]
Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, eq=False)
class SimplePredictor:
    """A fitted simple model. `backbone` is None unless `kind` reads a network's features."""

    kind: SimpleModel
    linear: LinearModel
    backbone: Backbone | None = None

    @property
    def takes_waveforms(self) -> bool:
        """Whether its network reads waveforms rather than images."""
        return self.backbone is not None and self.backbone.takes_waveforms

    @property
    def reads_beats(self) -> bool:
        """Whether all beats of a patient count. Otherwise it is the patient's first recording."""
        return self.kind not in ("clinical", "qrs")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the manifest that it needs."""
        if self.kind != "clinical":
            return ()
        return tuple(dict.fromkeys(name.partition(": ")[0] for name in self.linear.names))

    def features(
        self,
        recording: Recording,
        image_BCFT: npt.NDArray[np.uint8],
        clinical: Mapping[str, Any] | None,
    ) -> Float64Array:
        """The features of a recording, shape (D,), NaN where a value is missing.

        DataError if the model reads clinical values and there are none.
        """
        if self.kind == "clinical" and clinical is None:
            raise DataError(
                f"this model reads no ECG but these columns of the manifest: {', '.join(self.columns)}; give "
                "`crtsearch validate` a manifest that has them"
            )
        return recording_features(
            self.kind,
            self.linear.names,
            recording=recording,
            image_BCFT=image_BCFT,
            backbone=self.backbone,
            clinical=clinical,
        )

    def logits(self, value_D: Float64Array, num_beats: int) -> npt.NDArray[np.float64]:
        """The logit of the features once for each beat, as a network gives them; once if beats do not count.

        A missing value becomes the median of the training patients.
        """
        return np.repeat(self.linear.logits(value_D[None]), num_beats if self.reads_beats else 1)


class _Content(Settings):
    """`linear.json`, validated."""

    version: int
    kind: SimpleModel
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    median_D: tuple[Number, ...]
    mean_D: tuple[Number, ...]
    scale_D: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    weight_D: tuple[Number, ...]
    intercept: Number

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.version != _VERSION:
            raise ValueError(f"it is of version {self.version}, not {_VERSION}")
        if len(set(self.names)) < len(self.names) or not all(self.names):
            raise ValueError("names are not different names")
        for key in ("median_D", "mean_D", "scale_D", "weight_D"):
            if len(getattr(self, key)) != len(self.names):
                raise ValueError(f"{key} has {len(getattr(self, key))} values for {len(self.names)} names")
        return self


def encode_linear(model: SimplePredictor) -> dict[str, bytes]:
    """The model's files, by name. The numbers come back with every digit."""
    values = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(model.linear).items()
    }
    content = {"version": _VERSION, "kind": model.kind, **values}
    files = {LINEAR_FILE: (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()}
    if model.backbone is not None:
        files[BACKBONE_FILE] = encode_classifier(Classifier(model.backbone, ()))
    return files


def linear_files(names: Collection[str]) -> tuple[str, ...]:
    """The files of a simple model among those of a bundle."""
    return (LINEAR_FILE, *([BACKBONE_FILE] if BACKBONE_FILE in names else []))


def load_linear(
    path_of: Callable[[str], Path], leads: tuple[str, ...], *, has_backbone: bool
) -> SimplePredictor:
    """The model that `encode_linear` wrote, for recordings with these leads.

    StorageError if a file is damaged, or if its features are not those that its kind has on these leads.
    """
    path = path_of(LINEAR_FILE)
    try:
        content = _Content.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its content"
        raise StorageError(f"{path}: {place} cannot be used ({first['msg']}); export it again") from error
    if has_backbone != (content.kind in FEATURE_MODELS):
        raise StorageError(
            f"{path} is of kind {content.kind}, and its network does not fit that; export it again"
        )
    backbone = load_backbone(path_of(BACKBONE_FILE)).eval() if has_backbone else None
    if backbone is not None:
        require_finite(backbone, path_of(BACKBONE_FILE))
    expected = _expected_names(content.kind, leads, backbone)
    if expected is not None and expected != content.names:
        raise StorageError(
            f"{path} has {len(content.names)} features, not the {len(expected)} of {content.kind} on leads "
            f"{', '.join(leads)}; export it again"
        )
    return SimplePredictor(
        kind=content.kind,
        linear=LinearModel(
            names=content.names,
            intercept=content.intercept,
            **{key: np.array(getattr(content, key)) for key in ("median_D", "mean_D", "scale_D", "weight_D")},
        ),
        backbone=backbone,
    )


def _expected_names(
    kind: SimpleModel, leads: tuple[str, ...], backbone: Backbone | None
) -> tuple[str, ...] | None:
    """The names of the features; None for clinical ones, which depend on the manifest."""
    if kind == "clinical":
        return None
    if kind == "qrs":
        return QRS_NAMES
    return feature_names(kind, leads, POOLED_TO**2 if backbone is None else backbone.num_features)
