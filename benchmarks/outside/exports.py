"""What each way to export a model gives inside and outside, draw by draw, and all draws together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import spearmanr

from benchmarks.outside.candidates import Float64Array, IntArray, Scored
from benchmarks.outside.people import People
from benchmarks.outside.search import AUGMENTED, LEARNING_RATES, SHRUNK
from crtcore.data.splits import Fold
from crtcore.evaluation.delong import auc_covariance, auc_interval
from crtcore.evaluation.metrics import auc
from crtcore.evaluation.selection import bbc_cv

EXPORTED: Final = "simplest within one standard error"
TODAY: Final = "best network, one refit"
NUM_BOOTSTRAPS: Final = 2000


@dataclass(frozen=True, kw_only=True)
class DrawResult:
    """AUCs of one draw: of exports inside and outside; of candidates by cross-validation, by cross-validation
    on copies by another machine, inside and outside. `corrected` and `naive` are the intervals of the search.
    """

    inside: Mapping[str, float]
    outside: Mapping[str, float]
    chosen: Mapping[str, str]  # export -> candidate
    candidates: Mapping[str, tuple[float, float, float, float]]  # cross-validated, stressed, inside, outside
    corrected: tuple[float, float]
    naive: tuple[float, float]


def judge(people: People, drawn_P: IntArray, folds: Sequence[Fold], scored: Sequence[Scored]) -> DrawResult:
    """Score everything that may be exported from one draw."""
    label_P = people.beats.label_P
    others = np.setdiff1d(people.where("ptbxl500"), drawn_P)
    elsewhere = people.where("ludb")
    copy_of = people.copies(machine=2)
    of_draw = label_P[drawn_P]

    def both(score_P: Float64Array) -> tuple[float, float]:
        return auc(label_P[others], score_P[others]), auc(label_P[elsewhere], score_P[elsewhere])

    searched = [each for each in scored if each.candidate.name not in (AUGMENTED, SHRUNK)]
    networks = [each for each in searched if each.candidate.is_network]
    out_of_fold = {each.candidate.name: each.out_of_fold(folds) for each in scored}
    validated = {name: auc(of_draw, score_P) for name, score_P in out_of_fold.items()}
    stressed = {each.candidate.name: auc(of_draw, each.out_of_fold(folds, copy_of)) for each in scored}

    def best(among: Sequence[Scored], by: Mapping[str, float]) -> Scored:
        return max(among, key=lambda each: by[each.candidate.name])

    winner = best(networks, validated)
    overall = best(searched, validated)
    top = auc_interval(of_draw, out_of_fold[overall.candidate.name])
    enough = top.estimate - _standard_error(of_draw, out_of_fold[overall.candidate.name])
    simplest = min(
        (each for each in searched if validated[each.candidate.name] >= enough),
        key=lambda each: each.candidate.complexity,
    )
    hardened = best(searched, stressed)
    by_name = {each.candidate.name: each for each in scored}
    lower = by_name[f"last stage, learning rate {LEARNING_RATES[0]:g}"]
    exports: dict[str, tuple[Scored, Float64Array]] = {
        **{name: (by_name[name], by_name[name].refit_P) for name in ("pixels", "random", "aami5")},
        TODAY: (winner, winner.refit_P),
        "best network, fold mean": (winner, winner.fold_mean()),
        "lower rate, one refit": (lower, lower.refit_P),
        "lower rate, fold mean": (lower, lower.fold_mean()),
        "augmented, one refit": (by_name[AUGMENTED], by_name[AUGMENTED].refit_P),
        "augmented, fold mean": (by_name[AUGMENTED], by_name[AUGMENTED].fold_mean()),
        SHRUNK: (by_name[SHRUNK], by_name[SHRUNK].refit_P),
        "best of all": (overall, _as_exported(overall)),
        "best of all by stressed AUC": (hardened, _as_exported(hardened)),
        EXPORTED: (simplest, _as_exported(simplest)),
    }
    scores = {name: both(score_P) for name, (_, score_P) in exports.items()}
    corrected = bbc_cv(
        of_draw,
        np.stack([out_of_fold[each.candidate.name] for each in searched], axis=1),
        num_folds=len(folds),
        seed=0,
    )
    return DrawResult(
        inside={name: pair[0] for name, pair in scores.items()},
        outside={name: pair[1] for name, pair in scores.items()},
        chosen={name: each.candidate.name for name, (each, _) in exports.items()},
        candidates={
            each.candidate.name: (
                validated[each.candidate.name],
                stressed[each.candidate.name],
                *both(_as_exported(each)),
            )
            for each in scored
        },
        corrected=(corrected.low, corrected.high),
        naive=(top.low, top.high),
    )


def _as_exported(scored: Scored) -> Float64Array:
    """The mean of the folds for a network, one fit for a linear model."""
    return scored.fold_mean() if scored.candidate.is_network else scored.refit_P


def _standard_error(label_P: IntArray, score_P: Float64Array) -> float:
    """DeLong's standard error of the AUC, by patient."""
    _, covariance = auc_covariance(label_P, score_P[:, None])
    return float(np.sqrt(covariance[0, 0]))


def summary(results: Sequence[DrawResult]) -> dict[str, Any]:
    """All draws together, as JSON values. Intervals of differences are over draws, which share patients: they
    tell how sure the mean over such draws is, not what other populations would give.
    """
    names = list(results[0].inside)

    def over_draws(of: Callable[[DrawResult], float]) -> list[float]:
        return [of(result) for result in results]

    arms = {
        name: {
            **_mean_sd("inside", over_draws(lambda r, n=name: r.inside[n])),  # type: ignore[misc]
            **_mean_sd("outside", over_draws(lambda r, n=name: r.outside[n])),  # type: ignore[misc]
        }
        for name in names
    }
    differences = {
        f"{name} - {reference}": {
            "inside": _difference([r.inside[name] for r in results], [r.inside[reference] for r in results]),
            "outside": _difference(
                [r.outside[name] for r in results], [r.outside[reference] for r in results]
            ),
        }
        for reference in (TODAY, "pixels")
        for name in names
        if name != reference
    }
    rows = np.array([row for result in results for row in result.candidates.values()])
    winner = "best of all"
    return {
        "arms": arms,
        "differences": differences,
        "chosen": [result.chosen[EXPORTED] for result in results],
        "candidates": {
            name: np.round(np.mean([r.candidates[name] for r in results], axis=0), 4).tolist()
            for name in results[0].candidates
        },
        "outside_exported": arms[EXPORTED]["outside"],
        "outside_pixels": arms["pixels"]["outside"],
        "inside_exported": arms[EXPORTED]["inside"],
        "inside_today": arms[TODAY]["inside"],
        "covered_inside": _covered([(r.corrected, r.inside[winner]) for r in results]),
        "covered_outside": _covered([(r.corrected, r.outside[winner]) for r in results]),
        "covered_inside_naive": _covered([(r.naive, r.inside[winner]) for r in results]),
        "covered_outside_naive": _covered([(r.naive, r.outside[winner]) for r in results]),
        "rank_inside": float(spearmanr(rows[:, 0], rows[:, 3]).statistic),
        "rank_stressed": float(spearmanr(rows[:, 1], rows[:, 3]).statistic),
    }


def _mean_sd(name: str, values: list[float]) -> dict[str, Any]:
    return {
        name: round(float(np.mean(values)), 4),
        f"{name}_sd": round(float(np.std(values, ddof=1)), 4),
        f"{name}_by_draw": [round(value, 4) for value in values],
    }


def _difference(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    change_D = np.array(ours) - np.array(theirs)
    rng = np.random.default_rng(0)
    mean_B = rng.choice(change_D, size=(NUM_BOOTSTRAPS, len(change_D))).mean(axis=1)
    return {
        "mean": round(float(change_D.mean()), 4),
        "interval": [round(float(bound), 4) for bound in np.quantile(mean_B, [0.025, 0.975])],
    }


def _covered(pairs: Sequence[tuple[tuple[float, float], float]]) -> float:
    return float(np.mean([low <= value <= high for (low, high), value in pairs]))
