"""The stage `fusion`: three models judge a beat together, each by what the others cannot see.

The network on images; the timing and amplitude of a beat; how its image departs from its record's typical
one. Each is trained on the records of DS1 and scored on DS2. What joins them is chosen within DS1: all are
trained on one half of its records and score the other, and what gives the best macro-F1 there is taken: how
much each counts; how far the shares of the classes are evened out before the likeliest class is told (at the
shares they have, hardly a beat is ever rare); and how much the other beats of its cluster say of a beat. DS2
is looked at once, at the end. Legend: N images, K classes.
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
from benchmarks.late_fusion.rhythm import rhythm_features
from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.errors import ConfigError
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.stages.stage import JSON, Stage
from crtcore.stages.store import StageManifest, StageStore
from crtcore.training.engine.epochs import EpochReport
from crtcore.training.pretraining.beat_metrics import macro_f1
from crtcore.training.pretraining.beat_scores import SCORES_FILE, BeatScores, read_scores
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain
from crtcore.training.pretraining.pretrain_set import DS1_HALVES, pretrain_set
from crtcore.training.pretraining.priors import log_shares

FUSION_VERSION: Final = 4
FEATURES: Final[Mapping[str, Callable[[ImageSet], FloatArray]]] = {
    "rhythm": rhythm_features,
    "departure": departure_features,
}
Float64Array = npt.NDArray[np.float64]
CONTENDERS: Final = ("image", *FEATURES)
# How much each contender counts, in tenths that sum to 1.
WEIGHTS: Final = tuple(
    tuple(tenths / 10 for tenths in each)
    for each in itertools.product(range(11), repeat=len(CONTENDERS))
    if sum(each) == 10
)
EVENNESS: Final = tuple(tenths / 10 for tenths in range(11))
CONSENSUS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Joint:
    """How contenders are joined: what each counts (`weights`, summing to 1), how far the classes' shares are
    evened out, and how much a beat's cluster says of it, both from 0 to 1.
    """

    weights: tuple[float, ...]
    evenness: float = 0.0
    consensus: float = 0.0

    def as_json(self) -> dict[str, JSON]:
        return {
            "weights": dict(zip(CONTENDERS, self.weights, strict=True)),
            "evenness": self.evenness,
            "consensus": self.consensus,
        }


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """The scores that the contenders, by name, gave the same beats, the clusters of these, and the logarithms
    of the shares that the classes have among the beats the contenders were trained on.
    """

    scores: Mapping[str, BeatScores]
    cluster_N: IntArray
    log_share_K: Float64Array

    def joined(self, weights: tuple[float, ...]) -> Iterator[tuple[Joint, BeatScores]]:
        """The weighted geometric mean of the contenders' probabilities, so that the priors count once, in
        every way to go on from there.

        At the classes' own shares, or (Menon et al. 2021, arXiv 2007.07314, "logit adjustment") at their
        power of 1 - `evenness`: 1 stands for classes that are equally frequent. Then the geometric mean of
        these and of their mean in the beat's cluster.
        """
        pooled_NK = sum(
            weight * self.scores[name].log_probability_NK
            for name, weight in zip(CONTENDERS, weights, strict=True)
        )
        for evenness in EVENNESS:
            alone_NK = log_softmax(pooled_NK - evenness * self.log_share_K, axis=1)
            together_NK = consensus(alone_NK, self.cluster_N)
            for share in CONSENSUS:
                mixed_NK = log_softmax((1 - share) * alone_NK + share * together_NK, axis=1)
                joint = Joint(weights=weights, evenness=evenness, consensus=share)
                yield joint, dataclasses.replace(self.scores["image"], log_probability_NK=mixed_NK)


def fusion_stage(experiment: Experiment, arrhythmia: Stage) -> Stage:
    """The identity of one fusion: the three networks, by their stages, the beats and the seed.

    Raises ConfigError unless the network is pre-trained on DS1 and scored on DS2.
    """
    if experiment.pretrain.split != "inter_patient" or experiment.pretrain.objective == "none":
        raise ConfigError(
            "late fusion is scored from patient to patient: set pretrain.split to inter_patient and "
            f"pretrain.objective to aami5 or morphology5, not {experiment.pretrain.split} and "
            f"{experiment.pretrain.objective}"
        )
    networks = [pretrain_stage(each, arrhythmia).digest for each in fusion_networks(experiment)]
    return Stage(
        name="fusion",
        config={"seed": experiment.seed},
        inputs=(arrhythmia.digest, *networks),
        version=FUSION_VERSION,
    )


def run_fusion(
    store: StageStore, stage: Stage, experiment: Experiment, arrhythmia: Stage, device: torch.device
) -> Iterator[EpochReport]:
    """Pre-train the three networks as far as they are missing, one report an epoch, then fuse and commit.

    Commits `scores.parquet`, the fused scores of DS2 at the classes' own shares, and facts: the figures of
    each contender and of `fused` at those shares and without clusters, of `decided` with all that was chosen,
    the choice, and the best macro-F1 that each weighting had within DS1.
    """
    if store.find(stage) is not None:
        return
    variants = fusion_networks(experiment)
    for each in variants:
        yield from run_pretrain(store, pretrain_stage(each, arrhythmia), each, arrhythmia, device)
    images = load_images(store, arrhythmia)
    features = {name: measure(images) for name, measure in FEATURES.items()}
    cluster_N = beat_clusters(images, features["departure"], seed=experiment.seed)
    ds2, *halves = [
        _judged(
            images,
            features,
            cluster_N,
            each,
            read_scores(store.path(pretrain_stage(each, arrhythmia), SCORES_FILE)),
        )
        for each in variants
    ]
    within = {joint: value for weights in WEIGHTS for joint, value in _within(halves, weights)}
    best = max(within, key=lambda joint: within[joint])
    joined = dict(ds2.joined(best.weights))
    fused = joined[Joint(weights=best.weights)]
    figures = {**ds2.scores, "fused": fused, "decided": joined[best]}
    facts = {
        **best.as_json(),
        "within_ds1": [
            {**joint.as_json(), "macro_f1": within[joint]}
            for joint in (_best_of(within, weights) for weights in WEIGHTS)
        ],
        **{name: scores.figures(seed=experiment.seed) for name, scores in figures.items()},
    }
    store.commit(stage, {SCORES_FILE: fused.encode()}, facts)


def committed_fusion(store: StageStore, stage: Stage) -> StageManifest:
    """The manifest of a fusion that `run_fusion` has gone through."""
    manifest = store.find(stage)
    assert manifest is not None, "run_fusion was not run to its end"
    return manifest


def fusion_networks(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiment itself, and the two that train on one half of DS1 and score the other."""
    halves = (
        experiment.model_copy(update={"pretrain": experiment.pretrain.model_copy(update={"split": split})})
        for split in DS1_HALVES
    )
    return (experiment, *halves)


def _judged(
    images: ImageSet,
    features: Mapping[str, FloatArray],
    cluster_N: IntArray,
    experiment: Experiment,
    image: BeatScores,
) -> _Judged:
    config = experiment.pretrain
    chosen = pretrain_set(images, objective=config.objective, split=config.split, seed=experiment.seed)
    assert np.array_equal(image.row_N, chosen.test)
    scores = {"image": image}
    for name, feature_ND in features.items():
        log_probability_NK = boosted_log_probabilities(
            feature_ND,
            chosen.label_N,
            train=chosen.train,
            test=chosen.test,
            num_classes=len(chosen.classes),
            seed=child_seed(experiment.seed, name),
        )
        scores[name] = dataclasses.replace(image, log_probability_NK=log_probability_NK)
    return _Judged(
        scores=scores,
        cluster_N=cluster_N[chosen.test],
        log_share_K=log_shares(chosen.label_N[chosen.train], len(chosen.classes)),
    )


def _within(halves: list[_Judged], weights: tuple[float, ...]) -> Iterator[tuple[Joint, float]]:
    """The macro-F1 over the beats of all halves, for every way to join the contenders at these weights."""
    for parts in zip(*(half.joined(weights) for half in halves), strict=True):
        label_N = np.concatenate([scores.label_N for _, scores in parts])
        predicted_N = np.concatenate([scores.predicted() for _, scores in parts])
        yield parts[0][0], macro_f1(label_N, predicted_N, parts[0][1].classes)


def _best_of(within: Mapping[Joint, float], weights: tuple[float, ...]) -> Joint:
    return max((joint for joint in within if joint.weights == weights), key=lambda joint: within[joint])
