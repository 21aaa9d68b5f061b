"""What a user of an exported model must know about it, as JSON values. They lie in `bundle.json`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from crtcore.config import SimpleModel
from crtcore.data.caveat import caveat, is_simulated, outcome_sentence
from crtcore.prediction.training_record import TrainingRecord
from crtcore.training.finetuning.simple_model import describe, is_simple
from search.results.provenance import provenance
from search.results.winner import Winner

INTENDED_USE: Final = (
    "Research on the cohort that it was trained on, and on similar cohorts. Not a medical device: it must "
    "not decide how a patient is treated."
)
NOT_EXTERNAL: Final = (
    "The corrected estimate is the sweep's, by cross-validation within one cohort: it is about new patients "
    "of the same source. How the model does at another hospital is not known; `crtsearch validate` measures "
    "it."
)
TRAINED_ON_ALL: Final = "This model itself was trained on all patients and was not scored on any patient."
FOLD_MEAN: Final = (
    "The out-of-fold scores are those of these very networks, each trained without the patients of one fold. "
    "Their mean was not scored on any patient."
)


def model_card(
    winner: Winner, training: TrainingRecord, comparators: Mapping[SimpleModel, Winner]
) -> dict[str, Any]:
    """The card of the sweep's winner, whose training recordings are described by `training`."""
    board = winner.leaderboard
    is_mean = winner.base.export.networks == "fold_mean" and not is_simple(winner.experiment)
    return {
        "name": board.name,
        "intended_use": INTENDED_USE,
        "caveat": caveat(winner.base),
        "simulated_data": is_simulated(winner.base),
        "outcome": outcome_sentence(winner.base),
        "model": _model(winner),
        "training_data": {**winner.row.counts, **_training_data(winner, training)},
        "pretrained": winner.is_pretrained,
        "leads": list(winner.sources.cohort_leads),
        "hyperparameters": winner.row.params,
        "comparators": {
            kind: {"trial": trial.row.number, "auc": trial.row.auc} for kind, trial in comparators.items()
        },
        "corrected_auc": asdict(winner.corrected),
        "evaluation": list(board.sentences()),
        "limitations": f"{NOT_EXTERNAL} {FOLD_MEAN if is_mean else TRAINED_ON_ALL}",
        "provenance": provenance(winner),
    }


def _model(winner: Winner) -> str:
    """What the model is, in words."""
    experiment = winner.experiment
    pretrain, config = experiment.pretrain, experiment.finetune
    if config.model != "network":
        return f"{describe(config.model)}, fitted to all patients"
    name = f"{pretrain.architecture}{pretrain.depth if pretrain.architecture.startswith('resnet') else ''}"
    origin = (
        f"pre-trained on heartbeats ({pretrain.objective})" if winner.is_pretrained else "not pre-trained"
    )
    reads = "the waveform" if experiment.takes_waveforms else "the spectrogram"
    parts = (
        f"a {name} on {reads} of each beat, {origin}, {config.frozen_groups} of 5 layer groups frozen, "
        "fine-tuned"
    )
    if experiment.export.networks == "fold_mean":
        return (
            f"the mean logit of {config.folds * config.repeats} networks, one for each fold of the "
            f"cross-validation: each is {parts}"
        )
    return f"{parts} on all patients"


def _training_data(winner: Winner, training: TrainingRecord) -> dict[str, Any]:
    counts = Counter(winner.predictions.label_P.tolist())
    rate = (training.cohort or {}).get("sampling_rate_hz")
    return {
        "source": winner.base.manifest_path.name,
        "classes": {name: counts[label] for label, name in enumerate(winner.base.cohort.class_names)},
        "sampling_rate_hz": None if rate is None else rate.mean,
        "pretrained_on": winner.base.database_path.name if winner.is_pretrained else None,
    }
