"""The candidates that each draw is searched over, on features that are computed once for everybody.

Legend: P people, N images, B beats, C leads, F frequency bins, T frames, D features.
"""

import sys
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from benchmarks.outside.candidates import Candidate, Float64Array, fine_tuning, regression
from benchmarks.outside.people import People, per_person
from crtcore.config import Experiment, FinetuneConfig
from crtcore.configfile import override
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.training.engine.device import DeviceImages, use_device
from crtcore.training.finetuning.features import frozen_activations
from crtcore.training.finetuning.patients import PatientBeats
from crtcore.training.pretraining.pretrain import MODEL_FILE, run_pretrain

PIXEL_SIDE: Final = 16
LEARNING_RATES: Final = (1e-3, 3e-3)
LAST_STAGE: Final = 4  # frozen groups
TRAINING_MACHINE: Final = 1  # whose copies are trained on; those of the other are scored
RIDGE: Final = 0.01  # of scikit-learn's C, whose default is 1
AUGMENTED: Final = "last stage, augmented"
SHRUNK: Final = "pixels, strong ridge"


def pretrained_backbones(experiment: Experiment) -> dict[str, Backbone]:
    """`aami5`, pre-trained as the experiment says, and `random`, as it was before that."""
    store, sources = open_store(experiment), read_sources(experiment)
    prepare(store, plan(experiment, sources))
    device = use_device(experiment.resources.trial)
    found = {}
    for name, objective in (("aami5", "aami5"), ("random", "none")):
        each = override(experiment, {"pretrain.objective": objective})
        stages = plan(each, sources)
        for report in run_pretrain(store, stages.pretrain, each, stages.arrhythmia, device):
            print(f"{name}: {report.metrics} ({report.seconds:.0f} s)", file=sys.stderr)
        found[name] = load_backbone(store.path(stages.pretrain, MODEL_FILE))
    return found


def candidates(people: People, backbones: dict[str, Backbone], config: FinetuneConfig) -> list[Candidate]:
    """All candidates of a search, the simplest first, then two that are compared as exports only: the network
    with augmentation, and pixels with strong regularisation.
    """
    beats, label_P = people.beats, people.beats.label_P
    features = _features(people, backbones)
    found = [
        Candidate(name=name, complexity=order, train=regression(feature_PD, label_P))
        for order, (name, feature_PD) in enumerate(features.items())
    ]
    activation = _activations(beats, backbones["aami5"], LAST_STAGE)
    body = backbones["aami5"].tail(LAST_STAGE)
    tuned = replace(beats, inputs=activation.reshape(*beats.inputs.shape[:2], *activation.shape[1:]))
    is_scored_P = np.array([person.machine != TRAINING_MACHINE for person in people.persons])
    copy_of = people.copies(machine=TRAINING_MACHINE)
    found += [
        Candidate(
            name=f"last stage, learning rate {rate:g}",
            complexity=len(found) + number,
            train=fine_tuning(body, tuned, config.model_copy(update={"learning_rate": rate}), is_scored_P),
            is_network=True,
        )
        for number, rate in enumerate(LEARNING_RATES)
    ]
    augmented = config.model_copy(update={"learning_rate": LEARNING_RATES[0]})
    found += [
        Candidate(
            name=AUGMENTED,
            complexity=len(found),
            train=fine_tuning(body, tuned, augmented, is_scored_P, copies=lambda person: (copy_of[person],)),
            is_network=True,
        ),
        Candidate(
            name=SHRUNK,
            complexity=len(found) + 1,
            train=regression(features["pixels"], label_P, strength=RIDGE),
        ),
    ]
    return found


def _features(people: People, backbones: dict[str, Backbone]) -> dict[str, Float64Array]:
    """What logistic regression is given, by name, the simplest first, each of shape (people, features)."""
    beats = people.beats
    image_NFT = beats.inputs.flatten(0, 1)
    pixel_NFT = avg_pool2d(image_NFT.float()[:, None], image_NFT.shape[-1] // PIXEL_SIDE)
    features = {
        "age + sex": people.age_and_sex(),
        "QRS width": people.qrs_ms_P[:, None],
        "pixels": per_person(beats, pixel_NFT.reshape(len(beats.patient_B), -1).numpy().astype(np.float64)),
    }
    for name in ("random", "aami5"):
        deep_ND = _activations(beats, backbones[name], len(GROUPS))
        features[name] = per_person(
            beats, deep_ND.reshape(len(beats.patient_B), -1).numpy().astype(np.float64)
        )
    return features


def _activations(beats: PatientBeats, backbone: Backbone, num_frozen: int) -> torch.Tensor:
    images = DeviceImages(beats.inputs.flatten(0, 1).numpy(), torch.device("cpu"))
    return frozen_activations(backbone, images, num_frozen)
