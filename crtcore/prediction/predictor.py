"""A recording -> the probability of label 1, by a trained network or a simple model.

Legend: B beats, C leads, F frequency bins, T frames, E scalars.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from crtcore.config import QualityFlag, SpectrogramConfig
from crtcore.data.beat_images import beat_images, cut_beats, detected_rhythm
from crtcore.errors import DataError
from crtcore.prediction.linear import SimplePredictor
from crtcore.prediction.network import Model
from crtcore.signal.amplitude import check_amplitude
from crtcore.signal.beats import beat_amplitudes
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.signal.quality import MIN_DURATION_S, quality_flags
from crtcore.signal.recording import Recording
from crtcore.training.finetuning.fold_training import SCORING_BATCH_SIZE
from crtcore.training.finetuning.patients import LOWEST_AMPLITUDE_MV

REFUSED: Final[tuple[QualityFlag, ...]] = (
    "clipped",
    "flat",
    "missing",
    "noisy",
    "too_few_beats",
    "too_short",
)


@dataclass(frozen=True, kw_only=True)
class BeatInputs:
    """The network's inputs for the beats of a recording: images, uint8, and scalars."""

    image_BCFT: npt.NDArray[np.uint8]
    scalar_BCE: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image_BCFT)

    def tensors(self, part: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
        """The inputs of some beats as tensors for the model."""
        return torch.from_numpy(np.array(self.image_BCFT[part])), torch.from_numpy(self.scalar_BCE[part])


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How recordings become a model's inputs. Predictions need the settings that it was trained with."""

    spectrogram: SpectrogramConfig
    leads: tuple[str, ...]
    max_beats: int | None
    amplitude: bool = False
    waveform: bool = False  # whether the model's backbone reads waveforms
    refused: tuple[QualityFlag, ...] = REFUSED

    def inputs(self, recording: Recording) -> BeatInputs:
        """The network's inputs for a recording.

        DataError if a lead is absent and cannot be derived, if the recording has a quality flag of `refused`,
        or if it has no whole beat.
        """
        needed = ", ".join(self.leads)
        raw = derive_leads(
            recording,
            self.leads,
            remedy=f"this model needs {needed}: give a recording with these leads, or use another model",
        )
        check_amplitude(f"recording {recording.record_id}", raw.leads, raw.signal_CS)
        rhythm = detected_rhythm(raw)
        found = quality_flags(raw, num_r_peaks=len(rhythm.r_sample_B))
        flags = [flag for flag in found if flag in self.refused]
        if flags:
            raise DataError(
                f"recording {recording.record_id} is refused: it is flagged {', '.join(flags)}; give a "
                f"recording of {MIN_DURATION_S:g} s or more with a clean signal on {needed}"
            )
        beats = cut_beats(rhythm, self.spectrogram, max_beats=self.max_beats)
        if len(beats) == 0:
            raise DataError(f"recording {recording.record_id} is refused: it has no whole beat")
        image_BCFT = beat_images(rhythm.recording, beats, self.spectrogram, waveform=self.waveform)
        amplitude_mv_BC = beat_amplitudes(rhythm.recording.signal_CS, beats)
        scalar_BCE = np.log(np.maximum(amplitude_mv_BC, LOWEST_AMPLITUDE_MV))[:, :, None]
        return BeatInputs(image_BCFT=image_BCFT, scalar_BCE=scalar_BCE[:, :, : int(self.amplitude)])


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A trained model, its preparation, and the probability from which it predicts label 1."""

    model: Model | SimplePredictor
    preparation: Preparation
    threshold: float
    classes: tuple[str, str]

    @property
    def reads_beats(self) -> bool:
        """Whether all beats of a patient count. Otherwise it is the patient's first recording."""
        return self.model.reads_beats if isinstance(self.model, SimplePredictor) else True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the manifest that the model needs."""
        return self.model.columns if isinstance(self.model, SimplePredictor) else ()

    def logits(
        self, recording: Recording, inputs: BeatInputs, clinical: Mapping[str, Any] | None = None
    ) -> npt.NDArray[np.floating]:
        """The logits of a recording whose inputs are prepared: one for each beat, or one if beats do not
        count. Simple models replace missing values, as in training.
        """
        if not isinstance(self.model, SimplePredictor):
            return beat_logits(self.model, inputs)
        value_D = self.model.features(recording, inputs.image_BCFT, clinical)
        return self.model.logits(value_D, len(inputs))

    def probability(self, recording: Recording | Path, clinical: Mapping[str, Any] | None = None) -> float:
        """The probability of label 1. `clinical` are the manifest's values by column, which a clinical model
        reads.

        DataError naming the recording if it cannot be read or is refused, or if none of the values that the
        model reads is known.
        """
        whole = recording if isinstance(recording, Recording) else read_any(recording)
        inputs = self.preparation.inputs(whole)
        if not isinstance(self.model, SimplePredictor):
            return patient_probability(beat_logits(self.model, inputs))
        value_D = self.model.features(whole, inputs.image_BCFT, clinical)
        if np.isnan(value_D).all():
            raise DataError(
                f"recording {whole.record_id} is refused: the model needs "
                f"{', '.join(self.model.columns or self.model.linear.names)}, and none is known or can be "
                "measured"
            )
        return patient_probability(self.model.logits(value_D, len(inputs)))


@torch.inference_mode()
def beat_logits(model: Model, inputs: BeatInputs) -> npt.NDArray[np.float32]:
    """The logit of each beat, shape (beats,)."""
    model.eval()
    size = max(1, SCORING_BATCH_SIZE // model.num_leads)
    parts = (slice(start, start + size) for start in range(0, len(inputs), size))
    logit_B: npt.NDArray[np.float32] = torch.cat([model(*inputs.tensors(part)) for part in parts]).numpy()
    return logit_B


def patient_probability(logit_B: npt.NDArray[np.floating]) -> float:
    """The logistic function of the mean logit over beats, as in training."""
    return float(expit(logit_B.astype(np.float64).mean()))
