"""Export the winner of a sweep as a predictor, and predict with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crtcore.configfile import override, with_settings
from crtcore.errors import ConfigError, DataError
from crtcore.pipeline import OnProgress
from crtcore.prediction.bundle_file import read_bundle, read_model_card, write_bundle
from crtcore.prediction.linear import SimplePredictor
from crtcore.prediction.onnx_file import require_onnx, write_onnx
from crtcore.prediction.predictor import Predictor
from crtcore.training.finetuning.simple_model import describe
from search.results.exported import comparator_trials, predictor_of
from search.results.model_card import model_card
from search.results.readme import README_FILE, readme
from search.results.training_record import training_record
from search.results.winner import Winner, cohort_inputs, find_winner

ONNX_FILE = "model.onnx"


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
    settings: Sequence[str] = (),
    onnx: bool = False,
    on_progress: OnProgress = lambda what, done, total: None,
) -> tuple[str, ...]:
    """Train the model of sweep `name`'s winner and write it into `folder`. Returns sentences for the user.

    `settings` change keys of the config's section `export`, such as `export.networks=fold_mean`. The sweep's
    simple models lie beside the winner, so that `validate` can compare. SweepError if the sweep has no winner
    or its data changed; ConfigError if a setting cannot be used, if `folder` is not empty, or if `onnx` is
    true and ONNX is not installed or cannot hold the model; the errors of `exported_model`.
    """
    winner = find_winner(storage, name)
    if settings:
        base = with_settings(winner.base, settings, section="export")
        winner = replace(winner, base=base, experiment=override(base, winner.row.params))
    if onnx:
        _require_onnx(winner)
    predictor = predictor_of(winner, on_progress=on_progress)
    others = comparator_trials(winner)
    training = training_record(winner, tuple(others.values()), on_progress=on_progress)
    card = model_card(winner, training, others)
    page = readme(
        card,
        license_id=winner.base.export.license,
        threshold=predictor.threshold,
        classes=predictor.classes,
    )
    write_bundle(
        folder,
        predictor,
        card,
        training,
        comparators={kind: predictor_of(trial) for kind, trial in others.items()},
        pages={README_FILE: page},
    )
    sentences = [
        (
            f"{folder}: trial {winner.row.number} of {name}, {_how(winner)}; predicts {predictor.classes[1]} "
            f"at a probability of {predictor.threshold:.3f} or more."
        ),
        *winner.leaderboard.sentences()[1:],
    ]
    if onnx:
        assert not isinstance(predictor.model, SimplePredictor)
        difference = write_onnx(folder / ONNX_FILE, predictor.model, cohort_inputs(winner))
        sentences.append(f"{folder / ONNX_FILE}: logits within {difference:.1e} of PyTorch's.")
    return tuple(sentences)


def predict(folder: Path, recordings: Sequence[Path]) -> tuple[Prediction, ...]:
    """A prediction or a refusal for each recording, in order. StorageError if the bundle cannot be used."""
    predictor = read_bundle(folder)
    return tuple(_predict(predictor, path) for path in recordings)


def bundle_caveat(folder: Path) -> str:
    """The caveat on the data that a bundle's model was trained on; empty if there is none."""
    return str(read_model_card(folder).get("caveat", ""))


def _require_onnx(winner: Winner) -> None:
    kind = winner.experiment.finetune.model
    if kind != "network":
        raise ConfigError(
            f"the winner, trial {winner.row.number}, is {describe(kind)}, and ONNX files are written of "
            "networks; export without --onnx"
        )
    require_onnx(waveform=winner.experiment.takes_waveforms)


def _how(winner: Winner) -> str:
    config = winner.experiment.finetune
    everybody = f"all {len(winner.predictions.patient_ids)} patients"
    if config.model != "network":
        return f"{describe(config.model)}, fitted to {everybody}"
    if winner.base.export.networks == "fold_mean":
        return f"the mean of the {config.folds * config.repeats} networks of its folds"
    return f"trained on {everybody}"


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
