"""Does pre-training on arrhythmias help on a small cohort? Random draws of 71 patients, several arms.

    python -m benchmarks.transfer --data FOLDER            # FOLDER/mitdb and FOLDER/ptbxl500: hours
    python -m benchmarks.transfer --data FOLDER --quick    # two draws, few beats, a few minutes

Each draw takes 46 and 25 patients from ptbxl500/cohort_all.csv, as in the paper, and scores them out of fold.
Arms that train a network have the same epochs, batches and learning rate, and run in the first
--finetune-draws draws. Draws share patients, so intervals come from a bootstrap over patients: a patient has
the same weight in all draws. The outcome is PTB-XL's conduction disturbances, not CRT response. The last line
is one JSON object.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import yaml
from torch.nn.functional import avg_pool2d

from benchmarks.provenance import provenance
from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.sources import Sources
from crtcore.data.splits import patient_folds
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, cross_validated_scores
from crtcore.evaluation.clinical import clinical_features
from crtcore.evaluation.metrics import auc
from crtcore.evaluation.qrs_area import measure_qrs
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.seeding import child_seed
from crtcore.signal.formats import read_any
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import DeviceImages, use_device
from crtcore.training.finetuning.cross_validation import CrossValidation
from crtcore.training.finetuning.features import frozen_activations
from crtcore.training.finetuning.patients import PatientBeats, patient_beats
from crtcore.training.finetuning.sklearn_heads import patient_votes
from crtcore.training.pretraining.pretrain import MODEL_FILE, run_pretrain

DRAWN = {1: 46, 0: 25}
NUM_FOLDS = 5
PIXEL_SIDE = 16
NUM_BOOTSTRAPS = 2000
FLOOR = 0.79
LEADS = ("II", "V1")  # of the quick run
PRETRAINED = "pretrained, frozen + LR"
Float64Array = npt.NDArray[np.float64]
Arm = Callable[["Draw"], Float64Array]


class Draw:
    """Some patients of the cohort with their folds. `patients` are indices into the cohort, ascending."""

    def __init__(self, number: int, label_P: npt.NDArray[np.int64], seed: int) -> None:
        rng = np.random.default_rng(child_seed(seed, "draw", number))
        chosen = [rng.choice(np.flatnonzero(label_P == label), size, False) for label, size in DRAWN.items()]
        self.number = number
        self.patients = np.sort(np.concatenate(chosen))
        self.label_P = label_P[self.patients]
        ids = np.array([f"{patient:04}" for patient in self.patients])
        self.folds = patient_folds(ids, self.label_P, num_folds=NUM_FOLDS, seed=child_seed(seed, "f", number))

    def fold_of(self) -> npt.NDArray[np.int64]:
        """The fold that scores each patient, shape (1, patients)."""
        fold_P = np.empty(len(self.patients), dtype=np.int64)
        for number, fold in enumerate(self.folds):
            fold_P[fold.test_P] = number
        return fold_P[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds mitdb/ and ptbxl500/")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--finetune-draws", type=int, default=20, help="draws in which networks are trained")
    parser.add_argument("--storage", type=Path, help="keep the stages here (default: a temporary folder)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in crtsearch"
    )
    parser.add_argument("--quick", action="store_true", help="two draws, few beats, one epoch")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.draws, arguments.finetune_draws = 2, 1
    with tempfile.TemporaryDirectory(prefix="crtsearch-bench-") as name:
        storage = arguments.storage or Path(name, "storage")
        experiment = _experiment(arguments.data, storage, Path(name, "cache"), arguments.quick)
        settings = dict(setting.split("=", 1) for setting in arguments.set)
        experiment = override(experiment, {key: yaml.safe_load(text) for key, text in settings.items()})
        label_P, arms = _arms(experiment)
        scores = _scores(arms, label_P, arguments.draws, arguments.finetune_draws, experiment.seed)
    pretrained = np.array([auc(draw.label_P, score_P) for draw, score_P in scores[PRETRAINED]])
    report = {
        **provenance("transfer"),
        "num_patients": len(label_P),
        "draws": arguments.draws,
        "pretrain": experiment.pretrain.model_dump(mode="json"),
        "finetune": experiment.finetune.model_dump(mode="json"),
        "floor": FLOOR,
        "floor_met": bool(pretrained.mean() >= FLOOR),
        **_compared(scores, label_P, experiment.seed),
    }
    print(json.dumps(report))


def _experiment(data: Path, storage: Path, cache: Path, quick: bool) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "transfer",
            "data": data,
            "storage": str(storage),
            "cache": cache,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 10 if quick else 300},
            "cohort": {
                "manifest": "ptbxl500/cohort_all.csv",
                "exclude_patients": ("16723",),  # has the recording of patient 16690
                "max_beats_per_recording": 1 if quick else 4,
                "leads": LEADS if quick else None,
            },
            "pretrain": {"epochs": 1 if quick else 3, "images_per_epoch": 200 if quick else None},
            "finetune": {"epochs": 1 if quick else 5, "batch_size": 256},
            "resources": {"trial": {"cpus": 1 if quick else 2}},
        }
    )


def _arms(experiment: Experiment) -> tuple[npt.NDArray[np.int64], dict[str, tuple[bool, Arm]]]:
    """The outcomes of all patients, and the arms by name. The flag of an arm says if it trains a network."""
    device = use_device(experiment.resources.trial)
    store, sources = open_store(experiment), read_sources(experiment)
    base = plan(experiment, sources)
    prepare(store, base)
    images = load_images(store, base.cohort)
    on_device = DeviceImages(images.image_NFT, device)
    start = {"pretrained": experiment, "random": override(experiment, {"pretrain.objective": "none"})}
    features: dict[str, PatientBeats] = {}
    for name, each in start.items():
        stages = plan(each, sources)
        for report in run_pretrain(store, stages.pretrain, each, stages.arrhythmia, device):
            print(f"{name}: {report.metrics} ({report.seconds:.0f} s)", file=sys.stderr)
        backbone = load_backbone(store.path(stages.pretrain, MODEL_FILE)).to(device)
        features[name] = patient_beats(images, frozen_activations(backbone, on_device, 5))
    image_NFT = torch.from_numpy(np.array(images.image_NFT))
    pixel_NFT = avg_pool2d(image_NFT.float()[:, None], 64 // PIXEL_SIDE)
    features["pixels"], beats = (patient_beats(images, each) for each in (pixel_NFT.flatten(1), image_NFT))
    clinical = {patient.patient_id: patient for patient in sources.patients}
    age_and_sex = clinical_features([clinical[each] for each in beats.id_P.tolist()], ["age_years", "sex"])
    qrs_ms_P = _qrs_durations(sources, beats.id_P.tolist())
    seed = experiment.seed
    arms: dict[str, tuple[bool, Arm]] = {
        PRETRAINED: (False, _regression(_votes(features["pretrained"], experiment), seed)),
        "random, frozen + LR": (False, _regression(_votes(features["random"], experiment), seed)),
        "pixels + LR": (False, _regression(_votes(features["pixels"], experiment), seed)),
        "QRS width": (False, lambda draw: qrs_ms_P[draw.patients]),
        "age + sex": (False, _regression(age_and_sex.value_PD, seed)),
    }
    for name, source, frozen_groups in (
        ("pretrained, last stage fine-tuned", "pretrained", 4),
        ("random, last stage fine-tuned", "random", 4),
        ("pretrained, whole fine-tuned", "pretrained", 0),
        ("from scratch", "random", 0),
    ):
        arms[name] = (True, _finetuning(store, start[source], sources, beats, frozen_groups))
    return beats.label_P, arms


def _votes(beats: PatientBeats, experiment: Experiment) -> Float64Array:
    return patient_votes(beats, experiment.finetune).reshape(len(beats.id_P), -1)


def _regression(feature_PD: Float64Array, seed: int) -> Arm:
    return lambda draw: cross_validated_scores(
        feature_PD[draw.patients], draw.label_P, draw.fold_of(), LOGISTIC_REGRESSION, seed=seed
    )


def _qrs_durations(sources: Sources, patients: list[str]) -> Float64Array:
    """The QRS duration of each patient in ms, mean over recordings."""
    measured: dict[str, list[float]] = {}
    for source in sources.cohort:
        measured.setdefault(source.patient_id, []).append(measure_qrs(read_any(source.path)).duration_ms)
    return np.array([np.mean(measured[patient]) for patient in patients])


def _finetuning(
    store: StageStore, experiment: Experiment, sources: Sources, beats: PatientBeats, frozen_groups: int
) -> Arm:
    experiment = override(experiment, {"finetune.frozen_groups": frozen_groups})
    stages = plan(experiment, sources)
    device = use_device(experiment.resources.trial)

    def scores(draw: Draw) -> Float64Array:
        backbone = load_backbone(store.path(stages.pretrain, MODEL_FILE)).to(device)
        drawn = beats.beats_of(draw.patients)
        chosen = PatientBeats(
            inputs=beats.inputs[torch.from_numpy(drawn)],
            scalar_BCE=beats.scalar_BCE[torch.from_numpy(drawn)].to(device),
            patient_B=np.searchsorted(draw.patients, beats.patient_B[drawn]),
            id_P=beats.id_P[draw.patients],
            label_P=draw.label_P,
        )
        if frozen_groups:
            drawn_images = DeviceImages(chosen.inputs.flatten(0, 1).numpy(), device)
            activation = frozen_activations(backbone, drawn_images, frozen_groups)
            shape = (*chosen.inputs.shape[:2], *activation.shape[1:])
            chosen = dataclasses.replace(chosen, inputs=activation.reshape(shape))
        body = backbone.tail(frozen_groups)
        learner = CrossValidation(stages.finetune, experiment, body, chosen, (draw.folds,))
        for epoch in range(1, experiment.finetune.epochs + 1):
            learner.run_epoch(epoch)
        score_P: Float64Array = learner.out_of_fold.score_RP[0]
        return score_P

    return scores


Scores = dict[str, list[tuple[Draw, Float64Array]]]


def _scores(
    arms: Mapping[str, tuple[bool, Arm]],
    label_P: npt.NDArray[np.int64],
    num_draws: int,
    num_finetuned: int,
    seed: int,
) -> Scores:
    scores: Scores = {name: [] for name in arms}
    for number in range(num_draws):
        draw = Draw(number, label_P, seed)
        for name, (trains, arm) in arms.items():
            if not trains or number < num_finetuned:
                scores[name].append((draw, arm(draw)))
        print(f"draw {number + 1}/{num_draws}", file=sys.stderr)
    return {name: of_arm for name, of_arm in scores.items() if of_arm}


def _compared(scores: Scores, label_P: npt.NDArray[np.int64], seed: int) -> dict[str, dict[str, object]]:
    """The mean AUC of each arm over its draws, and its difference to each pretrained arm in common draws."""
    rng = np.random.default_rng(child_seed(seed, "patient bootstrap"))
    times_BP = np.zeros((NUM_BOOTSTRAPS, len(label_P)))
    for label in (0, 1):
        of_class = np.flatnonzero(label_P == label)
        times_BP[:, of_class] = rng.multinomial(
            len(of_class), np.full(len(of_class), 1 / len(of_class)), size=NUM_BOOTSTRAPS
        )
    auc_RD = {
        name: np.array([auc(draw.label_P, score_P) for draw, score_P in each])
        for name, each in scores.items()
    }
    auc_BD = {
        name: np.stack([_weighted_auc(draw, score_P, times_BP) for draw, score_P in each], axis=1)
        for name, each in scores.items()
    }
    arms: dict[str, object] = {
        name: {
            "mean_auc": float(auc_RD[name].mean()),
            "interval": _interval(np.nanmean(auc_BD[name], axis=1)),
            "auc": [round(float(value), 4) for value in auc_RD[name]],
        }
        for name in scores
    }
    differences: dict[str, object] = {}
    for reference in (name for name in scores if name.startswith("pretrained")):
        for name in (other for other in scores if other != reference):
            both = min(len(auc_RD[name]), len(auc_RD[reference]))
            change_B = np.nanmean(auc_BD[reference][:, :both] - auc_BD[name][:, :both], axis=1)
            differences[f"{reference} - {name}"] = {
                "mean": float((auc_RD[reference][:both] - auc_RD[name][:both]).mean()),
                "interval": _interval(change_B),
                "draws": both,
            }
    return {"arms": arms, "differences": differences}


def _weighted_auc(draw: Draw, score_P: Float64Array, times_BP: Float64Array) -> Float64Array:
    """The AUC of one draw, with patients weighted as the bootstrap drew them, shape (bootstraps,)."""
    positive, negative = np.flatnonzero(draw.label_P == 1), np.flatnonzero(draw.label_P == 0)
    difference_PP = score_P[positive][:, None] - score_P[negative]
    wins_PP = (difference_PP > 0) + 0.5 * (difference_PP == 0)
    positive_B, negative_B = times_BP[:, draw.patients[positive]], times_BP[:, draw.patients[negative]]
    num_pairs_B = positive_B.sum(axis=1) * negative_B.sum(axis=1)
    return np.asarray(
        ((positive_B @ wins_PP) * negative_B).sum(axis=1) / np.where(num_pairs_B == 0, np.nan, num_pairs_B)
    )


def _interval(value_B: Float64Array) -> list[float]:
    return [float(bound) for bound in np.nanquantile(value_B, [0.025, 0.975])]


if __name__ == "__main__":
    main()
