"""Export the winner of a sweep as a predictor, and predict with it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crtcore.data.caveat import caveat, is_simulated, outcome_sentence
from crtcore.errors import DataError
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.pipeline import OnProgress
from crtcore.prediction.bundle_file import read_bundle, read_model_card, write_bundle
from crtcore.prediction.onnx_file import require_onnx, write_onnx
from crtcore.prediction.predictor import Predictor, Preparation
from search.results.provenance import provenance
from search.results.refit import refit
from search.results.training_record import training_record
from search.results.winner import Winner, cohort_inputs, find_winner

ONNX_FILE = "model.onnx"
INTENDED_USE = (
    "Research on the cohort that it was trained on, and on similar cohorts. Not a medical device: it must "
    "not decide how a patient is treated."
)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One recording: the probability of label 1 and the predicted class, or the reason why it was refused."""

    recording: str
    probability: float | None
    prediction: str | None
    refused: str | None


def export_bundle(
    storage: str,
    name: str,
    folder: Path,
    *,
    onnx: bool = False,
    on_progress: OnProgress = lambda what, done, total: None,
) -> tuple[str, ...]:
    """Refit the winner of sweep `name` on all patients and write it into `folder`. Returns sentences for the
    user.

    The threshold is chosen on out-of-fold scores, so no model has scored its own training patients.
    SweepError if the sweep has no winner or its data changed; ConfigError if `folder` is not empty, or if
    `onnx` is true and ONNX is not installed.
    """
    winner = find_winner(storage, name)
    if onnx:
        require_onnx(waveform=winner.experiment.takes_waveforms)
    predictions = winner.predictions
    threshold = youden_threshold(predictions.label_P, winner.scores())
    predictor = Predictor(
        model=refit(winner, on_progress=on_progress),
        preparation=Preparation(
            spectrogram=winner.experiment.spectrogram,
            leads=winner.sources.cohort_leads,
            max_beats=winner.experiment.cohort.max_beats_per_recording,
            amplitude=winner.experiment.finetune.amplitude,
            waveform=winner.experiment.takes_waveforms,
        ),
        threshold=threshold,
        classes=winner.base.cohort.class_names,
    )
    write_bundle(folder, predictor, model_card(winner), training_record(winner, on_progress=on_progress))
    sentences = [
        (
            f"{folder}: trial {winner.row.number} of {name}, trained on all {len(predictions.patient_ids)} "
            f"patients; predicts {predictor.classes[1]} at a probability of {threshold:.3f} or more."
        ),
        *winner.leaderboard.sentences()[1:],
    ]
    if onnx:
        difference = write_onnx(folder / ONNX_FILE, predictor.model, cohort_inputs(winner))
        sentences.append(f"{folder / ONNX_FILE}: logits within {difference:.1e} of PyTorch's.")
    return tuple(sentences)


def model_card(winner: Winner) -> dict[str, Any]:
    """What a user of the model must know about it, as JSON values."""
    board = winner.leaderboard
    return {
        "name": board.name,
        "intended_use": INTENDED_USE,
        "caveat": caveat(winner.base),
        "simulated_data": is_simulated(winner.base),
        "outcome": outcome_sentence(winner.base),
        "training_data": winner.row.counts,
        "pretrained": winner.is_pretrained,
        "leads": list(winner.sources.cohort_leads),
        "hyperparameters": winner.row.params,
        "corrected_auc": asdict(winner.corrected),
        "evaluation": list(board.sentences()),
        "limitations": (
            "The corrected estimate is the sweep's, by cross-validation within one cohort. This network "
            "itself was trained on all patients and was not scored on any patient. No external validation."
        ),
        "provenance": provenance(winner),
    }


def predict(folder: Path, recordings: Sequence[Path]) -> tuple[Prediction, ...]:
    """A prediction or a refusal for each recording, in order. StorageError if the bundle cannot be used."""
    predictor = read_bundle(folder)
    return tuple(_predict(predictor, path) for path in recordings)


def bundle_caveat(folder: Path) -> str:
    """The caveat on the data that a bundle's model was trained on; empty if there is none."""
    return str(read_model_card(folder).get("caveat", ""))


def _predict(predictor: Predictor, path: Path) -> Prediction:
    try:
        probability = predictor.probability(path)
    except DataError as error:  # the other recordings can still be predicted
        return Prediction(recording=str(path), probability=None, prediction=None, refused=str(error))
    label = int(probability >= predictor.threshold)
    return Prediction(
        recording=str(path),
        probability=probability,
        prediction=predictor.classes[label],
        refused=None,
    )
