"""A scikit-learn style classifier of recordings, for notebooks.

model = RecordingClassifier("bundle/backbone.safetensors").fit(paths, labels)
model.predict_proba(new_paths)[:, 1]
RecordingClassifier.from_bundle("bundle").predict_proba(new_paths)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin

from crtcore.config import FinetuneConfig, SpectrogramConfig
from crtcore.errors import ConfigError, DataError, DivergedError
from crtcore.model.checkpoint import load_backbone
from crtcore.prediction.bundle_file import read_bundle
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.prediction.refit import Refit
from crtcore.signal.formats import read_any
from crtcore.signal.recording import Recording
from crtcore.training.finetuning.patients import PatientBeats

Recordings = Sequence[Recording | Path | str]


class RecordingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Fine-tunes a pre-trained backbone on recordings, one per patient, as a trial of a sweep does.

    `backbone` is a safetensors file of a pre-training stage or a bundle. `leads` are by default those of the
    first recording. The other settings are those of a config. `fit` sets `classes_` (0, 1) and `predictor_`.
    """

    def __init__(
        self,
        backbone: Path | str | None = None,
        *,
        leads: Sequence[str] | None = None,
        spectrogram: SpectrogramConfig | None = None,
        finetune: FinetuneConfig | None = None,
        max_beats: int | None = None,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.leads = leads
        self.spectrogram = spectrogram
        self.finetune = finetune
        self.max_beats = max_beats
        self.seed = seed

    @classmethod
    def from_bundle(cls, folder: Path | str) -> Self:
        """An exported model, ready to predict. StorageError if the folder is no bundle or is damaged."""
        model = cls()
        model._set(read_bundle(Path(folder)))
        return model

    def fit(self, X: Recordings, y: npt.ArrayLike) -> Self:
        """Train on recordings and their labels, 0 or 1.

        DataError if labels are unusable or a recording is refused; DivergedError if the loss is not finite.
        """
        label_P = np.asarray(y)
        if self.backbone is None:
            raise DataError("give RecordingClassifier a backbone to train: the safetensors file of one")
        if label_P.shape != (len(X),) or not np.array_equal(np.unique(label_P), [0, 1]):
            raise DataError(f"y must hold 0 or 1 for each of the {len(X)} recordings, and both must occur")
        config = self.finetune or FinetuneConfig()
        if config.head != "linear":
            raise ConfigError(f"RecordingClassifier trains a linear head, not {config.head}")
        backbone = load_backbone(Path(self.backbone))
        recordings = [_read(recording) for recording in X]
        preparation = Preparation(
            spectrogram=self.spectrogram or SpectrogramConfig(),
            leads=recordings[0].leads if self.leads is None else tuple(self.leads),
            max_beats=self.max_beats,
            amplitude=config.amplitude,
            waveform=backbone.takes_waveforms,
        )
        inputs = [preparation.inputs(recording) for recording in recordings]
        beats = PatientBeats(
            inputs=torch.from_numpy(np.concatenate([each.image_BCFT for each in inputs])),
            scalar_BCE=torch.from_numpy(np.concatenate([each.scalar_BCE for each in inputs])),
            patient_B=np.repeat(np.arange(len(inputs)), [len(each) for each in inputs]),
            id_P=np.array([f"{number:09}" for number in range(len(inputs))]),
            label_P=label_P.astype(np.int64),
        )
        training = Refit(backbone, beats, config, self.seed)
        for epoch in range(1, config.epochs + 1):
            metrics, _ = training.run_epoch(epoch)
            if not np.isfinite(metrics["loss"]):
                raise DivergedError(f"the loss is not finite in epoch {epoch}; lower finetune.learning_rate")
        self._set(
            Predictor(model=training.model(), preparation=preparation, threshold=0.5, classes=("0", "1"))
        )
        return self

    def predict_proba(self, X: Recordings) -> npt.NDArray[np.float64]:
        """Probabilities of label 0 and 1, shape (recordings, 2). DataError if a recording is refused."""
        probability_P = np.array([self.predictor_.probability(_read(recording)) for recording in X])
        return np.stack([1 - probability_P, probability_P], axis=1)

    def predict(self, X: Recordings) -> npt.NDArray[np.int64]:
        """Labels by the threshold, which is the bundle's, or 0.5 after `fit`."""
        return (self.predict_proba(X)[:, 1] >= self.predictor_.threshold).astype(np.int64)

    def _set(self, predictor: Predictor) -> None:
        self.predictor_ = predictor
        self.classes_ = np.array([0, 1])


def _read(recording: Recording | Path | str) -> Recording:
    return recording if isinstance(recording, Recording) else read_any(Path(recording))
