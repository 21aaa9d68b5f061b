"""The stage `fusion`: the network on images and the model of rhythm and amplitude judge a beat together.

Each is trained on the records of DS1 and scored on DS2. How much the second counts is chosen within DS1: both
are trained on one half of its records and score the other, and what gives the best macro-F1 there is taken.
So is how far the shares of the classes are evened out before the likeliest class is told: at the shares they
have, hardly a beat is ever rare. DS2 is looked at once, at the end. Legend: N images, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import log_softmax

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.errors import ConfigError
from crtcore.stages import Stage, StageManifest, StageStore
from crtcore.training.beat_figures import macro_f1
from crtcore.training.beat_scores import SCORES_FILE, BeatScores, read_scores
from crtcore.training.epochs import EpochReport
from crtcore.training.pretrain import pretrain_stage, run_pretrain
from crtcore.training.pretrain_set import DS1_HALVES, pretrain_set
from crtcore.training.priors import log_shares
from crtcore.training.rhythm import rhythm_features, rhythm_log_probabilities

FUSION_VERSION: Final = 2
RHYTHM_WEIGHTS: Final = tuple(round(0.05 * step, 2) for step in range(21))
EVENNESS: Final = tuple(round(0.1 * step, 1) for step in range(11))


@dataclass(frozen=True, kw_only=True)
class _Contenders:
    """Both models' scores of the same beats, and the logarithms of the shares that the classes have among
    the beats they were trained on.
    """

    image: BeatScores
    rhythm: BeatScores
    log_share_K: npt.NDArray[np.float64]

    def fused(self, weight: float, evenness: float = 0.0) -> BeatScores:
        """The weighted geometric mean of both models' probabilities, so that the priors count once; at the
        classes' own shares, or (Menon et al. 2021, arXiv 2007.07314, "logit adjustment") at their power of
        1 - `evenness`: 1 stands for classes that are equally frequent.
        """
        assert np.array_equal(self.image.row_N, self.rhythm.row_N)
        mixed_NK = (1 - weight) * self.image.log_probability_NK + weight * self.rhythm.log_probability_NK
        return BeatScores(
            classes=self.image.classes,
            row_N=self.image.row_N,
            record_N=self.image.record_N,
            label_N=self.image.label_N,
            log_probability_NK=np.asarray(log_softmax(mixed_NK - evenness * self.log_share_K, axis=1)),
        )


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
    `image`, `rhythm` and `fused` at those shares, of `fused_evened` at those chosen, and the choice with the
    macro-F1 that each weight and evenness had within DS1.
    """
    if store.find(stage) is not None:
        return
    variants = _variants(experiment)
    for each in variants:
        yield from run_pretrain(store, pretrain_stage(each, arrhythmia), each, arrhythmia, device)
    images = load_images(store, arrhythmia)
    ds2, *halves = [
        _contenders(images, each, read_scores(store.path(pretrain_stage(each, arrhythmia), SCORES_FILE)))
        for each in variants
    ]
    within = {
        (weight, evenness): _macro_f1_of([half.fused(weight, evenness) for half in halves])
        for weight in RHYTHM_WEIGHTS
        for evenness in EVENNESS
    }
    weight, evenness = max(within, key=lambda each: within[each])
    fused = ds2.fused(weight)
    decided = {
        "image": ds2.image,
        "rhythm": ds2.rhythm,
        "fused": fused,
        "fused_evened": ds2.fused(weight, evenness),
    }
    facts = {
        "rhythm_weight": weight,
        "evenness": evenness,
        "within_ds1": [
            {"rhythm_weight": weight, "evenness": evenness, "macro_f1": value}
            for (weight, evenness), value in within.items()
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


def _contenders(images: ImageSet, experiment: Experiment, image: BeatScores) -> _Contenders:
    config = experiment.pretrain
    chosen = pretrain_set(images, objective=config.objective, split=config.split, seed=experiment.seed)
    rhythm = BeatScores(
        classes=chosen.classes,
        row_N=chosen.test,
        record_N=images.record_N[chosen.test],
        label_N=chosen.label_N[chosen.test],
        log_probability_NK=rhythm_log_probabilities(
            rhythm_features(images),
            chosen.label_N,
            train=chosen.train,
            test=chosen.test,
            num_classes=len(chosen.classes),
            seed=experiment.seed,
        ),
    )
    log_share_K = log_shares(chosen.label_N[chosen.train], len(chosen.classes))
    return _Contenders(image=image, rhythm=rhythm, log_share_K=log_share_K)


def _macro_f1_of(parts: list[BeatScores]) -> float:
    label_N = np.concatenate([part.label_N for part in parts])
    predicted_N = np.concatenate([part.predicted() for part in parts])
    return macro_f1(label_N, predicted_N, parts[0].classes)
