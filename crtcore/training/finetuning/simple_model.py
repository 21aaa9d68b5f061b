"""The stage `finetune` of a simple model: logistic regression on one row of features per patient, in the same
folds as the networks.

Legend: P patients, R repeats.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from crtcore.config import FEATURE_MODELS, NUM_GROUPS, Experiment, SimpleModel
from crtcore.configfile import override
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import cohort_folds
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, repeated_scores
from crtcore.evaluation.linear_model import LinearModel, fit_linear_model
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.commit import commit_finetune, committed_reports
from crtcore.training.finetuning.cross_validation import numbered_folds, record_scores
from crtcore.training.finetuning.predictions import OutOfFold
from crtcore.training.finetuning.simple_features import cohort_features

SIMPLE_VERSION: Final = 1
DESCRIPTIONS: Final[Mapping[SimpleModel, str]] = {
    "clinical": "clinical variables",
    "qrs": "QRS duration and area",
    "pixels": "image pixels",
    "random_features": "a random network's features",
    "pretrained_features": "the pre-trained network's features",
}


def is_simple(experiment: Experiment) -> bool:
    """Whether the experiment's model is a simple one, not a network."""
    return experiment.finetune.model != "network"


def describe(model: SimpleModel) -> str:
    """A simple model in words."""
    return f"logistic regression on {DESCRIPTIONS[model]}"


def resolved(experiment: Experiment) -> Experiment:
    """The experiment with what its simple model fixes: all groups frozen if it reads features, and no
    pre-training if these are a random network's. A network's experiment is unchanged.
    """
    model = experiment.finetune.model
    if model not in FEATURE_MODELS:
        return experiment
    changes: dict[str, object] = {"finetune.frozen_groups": NUM_GROUPS}
    if model == "random_features":
        changes["pretrain.objective"] = "none"
    return override(experiment, changes)


def simple_stage(
    experiment: Experiment, cohort: Stage, *, features: Stage | None, table: Stage | None
) -> Stage:
    """The identity of a simple model's trial. Only what changes its scores is part of it."""
    config = experiment.finetune
    return Stage(
        name="finetune",
        config={
            "model": config.model,
            "folds": config.folds,
            "repeats": config.repeats,
            "seed": experiment.seed,
        },
        inputs=(cohort.digest, *(stage.digest for stage in (features, table) if stage is not None)),
        version=SIMPLE_VERSION,
    )


def run_simple_model(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    cohort: Stage,
    *,
    features: Stage | None,
    table: Stage | None,
) -> Iterator[EpochReport]:
    """Fit and score every fold.

    Yields one report, read back if the stage is committed already, and commits the same files and facts as a
    network does. DataError if a class has too few patients for the folds.
    """
    if store.find(stage) is not None:
        yield from committed_reports(store, stage)
        return
    start_s = time.monotonic()
    model = experiment.finetune.model
    assert model != "network"
    images = load_images(store, cohort)
    found = cohort_features(model, store, images, features=features, table=table)
    manifest = store.find(cohort)
    assert manifest is not None  # its images were just read
    folds = cohort_folds(
        found.id_P,
        found.label_P,
        given=manifest.facts["folds"],
        num_folds=experiment.finetune.folds,
        num_repeats=experiment.finetune.repeats,
        seed=experiment.seed,
    )
    numbered = numbered_folds(folds)
    fold_RP = np.full((len(folds), len(found.id_P)), -1)
    for (repeat, number), fold in numbered.items():
        fold_RP[repeat, fold.test_P] = number
    score_RP = repeated_scores(
        found.value_PD, found.label_P, fold_RP, LOGISTIC_REGRESSION, seed=experiment.seed
    )
    out_of_fold = OutOfFold(
        id_P=found.id_P, label_P=found.label_P, fold_RP=fold_RP, score_RP=np.full(fold_RP.shape, np.nan)
    )
    scores = [score_RP[repeat, fold.test_P] for (repeat, _), fold in numbered.items()]
    report = EpochReport(
        stage=stage.name,
        epoch=1,
        num_epochs=1,
        metrics=record_scores(out_of_fold, numbered, scores),
        num_images=0 if table is not None else images.num_images,
        seconds=time.monotonic() - start_s,
    )
    commit_finetune(
        store, stage, out_of_fold, [report], num_beats_P=found.num_beats_P, num_leads=len(images.leads)
    )
    yield report


def fit_all_patients(
    experiment: Experiment,
    store: StageStore,
    images: ImageSet,
    *,
    features: Stage | None,
    table: Stage | None,
) -> LinearModel:
    """The simple model of an experiment, fitted to every patient who has images."""
    model = experiment.finetune.model
    assert model != "network"
    found = cohort_features(model, store, images, features=features, table=table)
    return fit_linear_model(found.names, found.value_PD, found.label_P, seed=experiment.seed)
