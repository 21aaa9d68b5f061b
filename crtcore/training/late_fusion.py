"""The stage `fusion`: three models judge a beat together, each by what the others cannot see.

The network on images; the timing and amplitude of a beat; how its image departs from its record's typical
one. Each is trained on the records of DS1 and scored on DS2. How much each counts is chosen within DS1: all
are trained on one half of its records and score the other, and what gives the best macro-F1 there is taken.
So is how far the shares of the classes are evened out before the likeliest class is told: at the shares they
have, hardly a beat is ever rare. DS2 is looked at once, at the end. Legend: N images, K classes.
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

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.errors import ConfigError
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray
from crtcore.stages import JSON, Stage, StageManifest, StageStore
from crtcore.training.beat_figures import macro_f1
from crtcore.training.beat_scores import SCORES_FILE, BeatScores, read_scores
from crtcore.training.boosting import boosted_log_probabilities
from crtcore.training.departure import departure_features
from crtcore.training.epochs import EpochReport
from crtcore.training.pretrain import pretrain_stage, run_pretrain
from crtcore.training.pretrain_set import DS1_HALVES, pretrain_set
from crtcore.training.priors import log_shares
from crtcore.training.rhythm import rhythm_features

FUSION_VERSION: Final = 3
FEATURES: Final[Mapping[str, Callable[[ImageSet], FloatArray]]] = {
    "rhythm": rhythm_features,
    "departure": departure_features,
}
CONTENDERS: Final = ("image", *FEATURES)
# How much each contender counts, in tenths that sum to 1.
WEIGHTS: Final = tuple(
    tuple(tenths / 10 for tenths in each)
    for each in itertools.product(range(11), repeat=len(CONTENDERS))
    if sum(each) == 10
)
EVENNESS: Final = tuple(tenths / 10 for tenths in range(11))


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """The scores that the contenders, by name, gave the same beats, and the logarithms of the shares that
    the classes have among the beats they were trained on.
    """

    scores: Mapping[str, BeatScores]
    log_share_K: npt.NDArray[np.float64]

    def fused(self, weights: tuple[float, ...], evenness: float = 0.0) -> BeatScores:
        """The weighted geometric mean of the contenders' probabilities, so that the priors count once; at the
        classes' own shares, or (Menon et al. 2021, arXiv 2007.07314, "logit adjustment") at their power of
        1 - `evenness`: 1 stands for classes that are equally frequent.
        """
        image = self.scores["image"]
        mixed_NK = -evenness * self.log_share_K + sum(
            weight * self.scores[name].log_probability_NK
            for name, weight in zip(CONTENDERS, weights, strict=True)
        )
        return dataclasses.replace(image, log_probability_NK=np.asarray(log_softmax(mixed_NK, axis=1)))


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
    networks = [pretrain_stage(each, arrhythmia).digest for each in _variants(experiment)]
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
    each contender and of `fused` at those shares, of `fused_evened` at those chosen, and the choice with the
    macro-F1 that each weighting had within DS1 at each evenness.
    """
    if store.find(stage) is not None:
        return
    variants = _variants(experiment)
    for each in variants:
        yield from run_pretrain(store, pretrain_stage(each, arrhythmia), each, arrhythmia, device)
    images = load_images(store, arrhythmia)
    features = {name: measure(images) for name, measure in FEATURES.items()}
    ds2, *halves = [
        _judged(
            images, features, each, read_scores(store.path(pretrain_stage(each, arrhythmia), SCORES_FILE))
        )
        for each in variants
    ]
    within = {
        (weights, evenness): _macro_f1_of([half.fused(weights, evenness) for half in halves])
        for weights in WEIGHTS
        for evenness in EVENNESS
    }
    weights, evenness = max(within, key=lambda each: within[each])
    fused = ds2.fused(weights)
    decided = {**ds2.scores, "fused": fused, "fused_evened": ds2.fused(weights, evenness)}
    facts = {
        "weights": _named(weights),
        "evenness": evenness,
        "within_ds1": [
            {"weights": _named(weights), "macro_f1": [within[weights, evenness] for evenness in EVENNESS]}
            for weights in WEIGHTS
        ],
        **{name: scores.figures(seed=experiment.seed) for name, scores in decided.items()},
    }
    store.commit(stage, {SCORES_FILE: fused.encode()}, facts)


def committed_fusion(store: StageStore, stage: Stage) -> StageManifest:
    """The manifest of a fusion that `run_fusion` has gone through."""
    manifest = store.find(stage)
    assert manifest is not None, "run_fusion was not run to its end"
    return manifest


def _variants(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiment itself, and the two that train on one half of DS1 and score the other."""
    halves = (
        experiment.model_copy(update={"pretrain": experiment.pretrain.model_copy(update={"split": split})})
        for split in DS1_HALVES
    )
    return (experiment, *halves)


def _judged(
    images: ImageSet, features: Mapping[str, FloatArray], experiment: Experiment, image: BeatScores
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
    return _Judged(scores=scores, log_share_K=log_shares(chosen.label_N[chosen.train], len(chosen.classes)))


def _named(weights: tuple[float, ...]) -> dict[str, JSON]:
    return dict(zip(CONTENDERS, weights, strict=True))


def _macro_f1_of(parts: list[BeatScores]) -> float:
    label_N = np.concatenate([part.label_N for part in parts])
    predicted_N = np.concatenate([part.predicted() for part in parts])
    return macro_f1(label_N, predicted_N, parts[0].classes)
