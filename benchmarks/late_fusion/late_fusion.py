"""The stage `fusion`: three models classify a beat together. Each sees something that the others do not.

The three models are the network on images, a model of timing and amplitude, and a model of how the beat's
image differs from the typical image of its record. Each is trained on DS1 and scored on DS2. How they are
joined is chosen within DS1: all are trained on one half of its records and score the other half, and the
settings with the best macro-F1 there are used. The settings are the weight of each model; how far the class
shares are evened out before the most probable class is taken (at the true shares, a beat is almost never
classified as a rare class); and how much the other beats of its cluster count. DS2 is used once, at the end.
Legend: N images, K classes.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import log_softmax

from benchmarks.late_fusion.boosting import boosted_log_probabilities
from benchmarks.late_fusion.consensus import beat_clusters, consensus
from benchmarks.late_fusion.departure import departure_features
from benchmarks.late_fusion.halves import HALVES, half_set, half_stage, run_half
from benchmarks.late_fusion.rhythm import rhythm_features
from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.errors import ConfigError
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.stages.stage import JSON, Stage, StageManifest
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from crtcore.training.pretraining.beat_metrics import macro_f1
from crtcore.training.pretraining.beat_scores import SCORES_FILE, BeatScores, read_scores
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain
from crtcore.training.pretraining.pretrain_set import PretrainSet, pretrain_set

FUSION_VERSION: Final = 5
FEATURES: Final[Mapping[str, Callable[[ImageSet], FloatArray]]] = {
    "rhythm": rhythm_features,
    "departure": departure_features,
}
Float64Array = npt.NDArray[np.float64]
MODELS: Final = ("image", *FEATURES)
# The weight of each model, in tenths that sum to 1.
WEIGHTS: Final = tuple(
    tuple(tenths / 10 for tenths in each)
    for each in itertools.product(range(11), repeat=len(MODELS))
    if sum(each) == 10
)
EVENNESS: Final = tuple(tenths / 10 for tenths in range(11))
CONSENSUS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Joint:
    """How the models are joined.

    `weights` are those of the models and sum to 1. `evenness` is how far the class shares are evened out, and
    `consensus` how much a beat's cluster counts, both from 0 to 1.
    """

    weights: tuple[float, ...]
    evenness: float = 0.0
    consensus: float = 0.0

    def as_json(self) -> dict[str, JSON]:
        return {
            "weights": dict(zip(MODELS, self.weights, strict=True)),
            "evenness": self.evenness,
            "consensus": self.consensus,
        }


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """The same beats scored by all models, by name; their clusters; the log class shares in training."""

    scores: Mapping[str, BeatScores]
    cluster_N: IntArray
    log_share_K: Float64Array

    def joined(self, weights: tuple[float, ...]) -> Iterator[tuple[Joint, BeatScores]]:
        """The models' probabilities joined at these weights, for every evenness and consensus.

        First comes the weighted geometric mean of the models' probabilities, so the priors count once. Then
        the class shares are raised to the power 1 - `evenness` (Menon et al. 2021, arXiv 2007.07314, "logit
        adjustment"): 0 keeps them, 1 makes all classes equally frequent. Last comes the geometric mean of the
        result and its mean over the beat's cluster.
        """
        pooled_NK = sum(
            weight * self.scores[name].log_probability_NK
            for name, weight in zip(MODELS, weights, strict=True)
        )
        for evenness in EVENNESS:
            alone_NK = log_softmax(pooled_NK - evenness * self.log_share_K, axis=1)
            together_NK = consensus(alone_NK, self.cluster_N)
            for share in CONSENSUS:
                mixed_NK = log_softmax((1 - share) * alone_NK + share * together_NK, axis=1)
                joint = Joint(weights=weights, evenness=evenness, consensus=share)
                yield joint, dataclasses.replace(self.scores["image"], log_probability_NK=mixed_NK)


def network_stages(experiment: Experiment, arrhythmia: Stage) -> tuple[Stage, ...]:
    """The network that is scored on DS2, and those that are scored on one half of DS1."""
    halves = (half_stage(experiment, arrhythmia, half) for half in HALVES)
    return (pretrain_stage(experiment, arrhythmia), *halves)


def fusion_stage(experiment: Experiment, arrhythmia: Stage) -> Stage:
    """The identity of one fusion: the three networks, by their stages, the beats and the seed.

    Raises ConfigError unless the network is pre-trained on DS1 and scored on DS2.
    """
    if experiment.pretrain.split != "inter_patient" or experiment.pretrain.objective == "none":
        raise ConfigError(
            "late fusion is scored on new patients: set pretrain.split to inter_patient and "
            f"pretrain.objective to aami5 or morphology5, not {experiment.pretrain.split} and "
            f"{experiment.pretrain.objective}"
        )
    networks = [stage.digest for stage in network_stages(experiment, arrhythmia)]
    return Stage(
        name="fusion",
        config={"seed": experiment.seed},
        inputs=(arrhythmia.digest, *networks),
        version=FUSION_VERSION,
    )


def run_fusion(
    store: StageStore, stage: Stage, experiment: Experiment, arrhythmia: Stage, device: torch.device
) -> Iterator[EpochReport]:
    """Train those of the three networks that are missing, one report per epoch, then fuse and commit.

    Commits `scores.parquet`, the fused scores of DS2 at the true class shares, and facts: the metrics of each
    model and of `fused` at those shares and without clusters; those of `decided` with all chosen settings;
    the settings; and the best macro-F1 within DS1 of each weighting.
    """
    if store.find(stage) is not None:
        return
    network, *halves = network_stages(experiment, arrhythmia)
    yield from run_pretrain(store, network, experiment, arrhythmia, device)
    for half, half_network in zip(HALVES, halves, strict=True):
        yield from run_half(store, half_network, experiment, arrhythmia, half, device)
    images = load_images(store, arrhythmia)
    features = {name: measure(images) for name, measure in FEATURES.items()}
    cluster_N = beat_clusters(images, features["departure"], seed=experiment.seed)
    whole_set = pretrain_set(images, experiment.pretrain, seed=experiment.seed)
    sets = (whole_set, *(half_set(images, experiment, half) for half in HALVES))
    ds2, *within_ds1 = [
        _scored(features, cluster_N, chosen, read_scores(store.path(each, SCORES_FILE)), experiment.seed)
        for each, chosen in zip((network, *halves), sets, strict=True)
    ]
    within = {joint: value for weights in WEIGHTS for joint, value in _within(within_ds1, weights)}
    best = max(within, key=lambda joint: within[joint])
    joined = dict(ds2.joined(best.weights))
    fused = joined[Joint(weights=best.weights)]
    scored = {**ds2.scores, "fused": fused, "decided": joined[best]}
    facts = {
        **best.as_json(),
        "within_ds1": [
            {**joint.as_json(), "macro_f1": within[joint]}
            for joint in (_best_of(within, weights) for weights in WEIGHTS)
        ],
        **{name: scores.metrics(seed=experiment.seed) for name, scores in scored.items()},
    }
    store.commit(stage, {SCORES_FILE: fused.encode()}, facts)


def committed_fusion(store: StageStore, stage: Stage) -> StageManifest:
    """The manifest of a fusion that `run_fusion` has finished."""
    manifest = store.find(stage)
    assert manifest is not None, "run_fusion has not finished"
    return manifest


def log_shares(label_N: IntArray, num_classes: int) -> Float64Array:
    """The logarithm of each class's share, shape (classes,); 0 for a class without examples."""
    count_K = np.bincount(label_N, minlength=num_classes)
    return np.log(np.where(count_K > 0, count_K / len(label_N), 1.0))


def _scored(
    features: Mapping[str, FloatArray],
    cluster_N: IntArray,
    chosen: PretrainSet,
    image: BeatScores,
    seed: int,
) -> _Scored:
    assert np.array_equal(image.row_N, chosen.test)
    scores = {"image": image}
    for name, feature_ND in features.items():
        log_probability_NK = boosted_log_probabilities(
            feature_ND,
            chosen.label_N,
            train=chosen.train,
            test=chosen.test,
            num_classes=len(chosen.classes),
            seed=child_seed(seed, name),
        )
        scores[name] = dataclasses.replace(image, log_probability_NK=log_probability_NK)
    return _Scored(
        scores=scores,
        cluster_N=cluster_N[chosen.test],
        log_share_K=log_shares(chosen.label_N[chosen.train], len(chosen.classes)),
    )


def _within(halves: list[_Scored], weights: tuple[float, ...]) -> Iterator[tuple[Joint, float]]:
    """The macro-F1 over the beats of all halves, for every way to join the models at these weights."""
    for parts in zip(*(half.joined(weights) for half in halves), strict=True):
        classes = parts[0][1].classes
        confusion_KK = np.zeros((len(classes), len(classes)), dtype=np.int64)
        for _, scores in parts:
            np.add.at(confusion_KK, (scores.label_N, scores.predicted()), 1)
        yield parts[0][0], float(macro_f1(confusion_KK, classes))


def _best_of(within: Mapping[Joint, float], weights: tuple[float, ...]) -> Joint:
    return max((joint for joint in within if joint.weights == weights), key=lambda joint: within[joint])
