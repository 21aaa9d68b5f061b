"""Is the corrected estimate of a search's winner correct? Simulated studies with a known truth.

    python -m benchmarks.selection [--quick]

A study has 46 responders, 25 non-responders and 200 configurations with normal out-of-fold scores. All
configurations have a true AUC of 0.50 (`null`) or 0.70, and are independent or correlated (0.5 between the
scores of two configurations within an outcome). The peers are the naive best AUC, its DeLong interval, and
BBC-CV with the percentile interval of Tsamardinos et al. 2018. In `differing`, each true AUC is drawn from
N(0.70, 0.05). There the estimate is too low, because it chooses on 63 % of the patients.

`trained` studies train their search: 16 ridge regressions (penalty times number of features) in five folds on
200 Gaussian features, without and with a signal. Their true AUC is measured on 3,000 new patients. Here the
scores of two patients are not independent, and the interval is widened for the folds (`num_folds`). The
result also has the coverage without widening, and how often the permutation test of fixed scores finds
something at 5 %.

`pruned` studies stop trials early (`benchmarks/pruned_search.py`). There the peers are the estimate that
ignores the stopped trials, and a replay in which only complete trials can win. `bias_pruned` and
`coverage_pruned` are those of the truth (0.50 or 0.70) with the larger bias, or the worse coverage.

Other intervals were tried and did not pay. Their coverage in 400 studies of each kind: percentiles of the
draws' AUCs, 0.995-1.000; influence of the scored patients only, 0.68-0.94; the full infinitesimal jackknife,
0.943-0.997; half of the part of choosing, 0.94-0.97, but 0.90 in `differing`. See
crtcore/evaluation/leave_pair_out.py.
"""

import argparse
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from benchmarks.provenance import provenance
from benchmarks.pruned_search import SETTINGS as PRUNED_SETTINGS
from benchmarks.pruned_search import pruned_study
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.leave_pair_out import wins
from crtcore.evaluation.metrics import auc, auc_rows
from crtcore.evaluation.permutation import selection_test
from crtcore.evaluation.selection import bbc_cv

LABELS = np.array([1] * 46 + [0] * 25)
NUM_CONFIGURATIONS: Final = 200
NUM_FEATURES: Final = 200
NUM_FOLDS: Final = 5
PRUNED_PEERS: Final = ("ignored", "complete_only")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The true AUC of a study's configurations, its SD, and the correlation of their scores."""

    auc: float
    correlation: float
    auc_sd: float = 0.0


SETTINGS = {
    "null_independent": Setting(auc=0.50, correlation=0.0),
    "null_correlated": Setting(auc=0.50, correlation=0.5),
    "070_independent": Setting(auc=0.70, correlation=0.0),
    "070_correlated": Setting(auc=0.70, correlation=0.5),
    "070_differing": Setting(auc=0.70, correlation=0.5, auc_sd=0.05),
}


def study(setting: Setting, seed: int, num_draws: int) -> dict[str, float]:
    rng = np.random.default_rng([seed, 46, 25])
    true_auc_C = np.clip(rng.normal(setting.auc, setting.auc_sd, NUM_CONFIGURATIONS), 0.01, 0.99)
    shared_P1 = rng.standard_normal((len(LABELS), 1))
    own_PC = rng.standard_normal((len(LABELS), NUM_CONFIGURATIONS))
    noise_PC = np.sqrt(setting.correlation) * shared_P1 + np.sqrt(1 - setting.correlation) * own_PC
    score_PC = noise_PC + LABELS[:, None] * np.sqrt(2) * norm.ppf(true_auc_C)
    auc_C = auc_rows(np.tile(LABELS, (NUM_CONFIGURATIONS, 1)), score_PC.T)
    winner = int(np.argmax(auc_C))
    corrected = bbc_cv(LABELS, score_PC, num_draws=num_draws, seed=seed)
    naive = auc_interval(LABELS, score_PC[:, winner])
    low, high = percentile_interval(score_PC, num_draws, rng)
    return {
        "truth": float(true_auc_C[winner]),
        "naive": naive.estimate,
        "naive_low": naive.low,
        "naive_high": naive.high,
        "estimate": corrected.estimate,
        "low": corrected.low,
        "high": corrected.high,
        "percentile_low": low,
        "percentile_high": high,
    }


def trained_study(signal: float, seed: int, num_draws: int) -> dict[str, float]:
    """One cohort and a search of 16 configurations. `signal` is the distance between the class means."""
    rng = np.random.default_rng([seed, 71])
    scale_D = np.exp(-np.arange(NUM_FEATURES) / 20)
    shift_D = np.where(np.arange(NUM_FEATURES) < 5, signal * np.sqrt(2 / 5), 0.0) * scale_D
    label_P, new_label_P = rng.permutation(LABELS), rng.integers(0, 2, size=3000)
    feature_PD, new_PD = (
        rng.standard_normal((len(label), NUM_FEATURES)) * scale_D + np.outer(label, shift_D)
        for label in (label_P, new_label_P)
    )
    folds = list(StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=seed).split(feature_PD, label_P))
    score_PC = np.empty((len(label_P), 16))
    true_auc_CF = np.empty((16, NUM_FOLDS))
    for number in range(16):
        used, penalty = slice((5, 20, 60, 200)[number // 4]), (0.01, 0.1, 1.0, 10.0)[number % 4]
        for fold, (train, test) in enumerate(folds):
            mean_D = feature_PD[train, used].mean(axis=0)
            weight_D = ridge(feature_PD[train, used] - mean_D, label_P[train], penalty)
            score_PC[test, number] = (feature_PD[test, used] - mean_D) @ weight_D
            true_auc_CF[number, fold] = auc(new_label_P, new_PD[:, used] @ weight_D)
    auc_C = auc_rows(np.tile(label_P, (16, 1)), score_PC.T)
    fixed, widened = (
        bbc_cv(label_P, score_PC, num_folds=num, num_draws=num_draws, seed=seed) for num in (None, NUM_FOLDS)
    )
    return {
        "truth": float(true_auc_CF[auc_C.argmax()].mean()),
        "naive": widened.naive,
        "estimate": widened.estimate,
        "low": widened.low,
        "high": widened.high,
        "fixed_low": fixed.low,
        "fixed_high": fixed.high,
        "found": float(selection_test(label_P, score_PC, num_permutations=199, seed=seed).p_value <= 0.05),
    }


def ridge(
    centred_PD: npt.NDArray[np.float64], label_P: npt.NDArray[np.integer], penalty: float
) -> npt.NDArray[np.float64]:
    """Ridge weights by the dual. The penalty is relative to the mean squared length of a row."""
    gram_PP = centred_PD @ centred_PD.T
    ridge_PP = gram_PP + penalty * np.trace(gram_PP) / len(gram_PP) * np.eye(len(gram_PP))
    return np.asarray(centred_PD.T @ np.linalg.solve(ridge_PP, label_P - label_P.mean()))


def percentile_interval(
    score_PC: npt.NDArray[np.float64], num_draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The published interval: percentiles of the AUCs of the selected configurations on left-out patients."""
    positive_BP, negative_BP = (
        rng.multinomial(num, np.full(num, 1 / num), size=num_draws).astype(float) for num in (46, 25)
    )
    wins_CPP = np.stack([wins(LABELS, score_P) for score_P in score_PC.T])
    drawn_CB = np.stack([((positive_BP @ won_PP) * negative_BP).sum(axis=1) for won_PP in wins_CPP])
    positive_BP, negative_BP = 1.0 * (positive_BP == 0), 1.0 * (negative_BP == 0)
    picked_BPP = wins_CPP[drawn_CB.argmax(axis=0)]
    num_wins_B = np.einsum("bpn,bp,bn->b", picked_BPP, positive_BP, negative_BP, optimize=True)
    low, high = np.quantile(num_wins_B / (positive_BP.sum(1) * negative_BP.sum(1)), [0.025, 0.975])
    return float(low), float(high)


def coverage(column: dict[str, npt.NDArray[np.float64]], prefix: str, truth: Any) -> float:
    inside = (column[f"{prefix}low"] <= truth) & (truth <= column[f"{prefix}high"])
    return round(float(inside.mean()), 4)


def columns(studies: list[dict[str, float]]) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.array([one[name] for one in studies]) for name in studies[0]}


def summary(column: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    expected = column["truth"].mean()
    return {
        "truth": round(float(expected), 4),
        "naive": round(float(column["naive"].mean()), 4),
        "estimate": round(float(column["estimate"].mean()), 4),
        "bias": round(float(column["estimate"].mean() - expected), 4),
        "bias_standard_error": round(float(column["estimate"].std() / np.sqrt(len(column["truth"]))), 4),
        "coverage": coverage(column, "", expected),
        "coverage_of_the_winner": coverage(column, "", column["truth"]),
        "mean_width": round(float((column["high"] - column["low"]).mean()), 4),
    }


def peers(column: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    expected = column["truth"].mean()
    percentile_width = (column["percentile_high"] - column["percentile_low"]).mean()
    return {
        "percentile_coverage": coverage(column, "percentile_", expected),
        "percentile_mean_width": round(float(percentile_width), 4),
        "naive_delong_coverage": coverage(column, "naive_", expected),
    }


def trained_summary(column: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    return summary(column) | {
        "coverage_of_the_winner_not_widened": coverage(column, "fixed_", column["truth"]),
        "permutation_test_finds": round(float(column["found"].mean()), 4),
    }


def pruned_summary(column: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    truth = column["truth"].mean()
    return summary(column) | {
        "complete_trials": round(float(column["complete_trials"].mean()), 1),
        **{f"bias_{peer}": round(float(column[peer].mean() - truth), 4) for peer in PRUNED_PEERS},
        **{f"coverage_{peer}": coverage(column, f"{peer}_", truth) for peer in PRUNED_PEERS},
    }


def pruned_goals(studies: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Bias and coverage of successive halving by truth, and the worse of each; without the replay too."""
    found: dict[str, float] = {}
    for truth in ("null", "070"):
        both = studies[f"pruned_{truth}_independent"] + studies[f"pruned_{truth}_correlated"]
        metrics = pruned_summary(columns(both))
        for ours, name in (("", "pruned"), *((f"_{peer}", f"pruned_{peer}") for peer in PRUNED_PEERS)):
            found |= {f"bias_{name}_{truth}": metrics[f"bias{ours}"]}
            found |= {f"coverage_{name}_{truth}": metrics[f"coverage{ours}"]}
    for name in ("pruned", *(f"pruned_{peer}" for peer in PRUNED_PEERS)):
        found[f"bias_{name}"] = max((found[f"bias_{name}_{truth}"] for truth in ("null", "070")), key=abs)
        covered = (found[f"coverage_{name}_{truth}"] for truth in ("null", "070"))
        found[f"coverage_{name}"] = max(covered, key=lambda share: abs(share - 0.95))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="30 studies per setting instead of 300")
    num_studies = 30 if parser.parse_args().quick else 300
    num_draws = 1000
    studies = {
        name: [study(setting, seed, num_draws) for seed in range(num_studies)]
        for name, setting in SETTINGS.items()
    }
    trained = {
        name: [trained_study(signal, seed, num_draws) for seed in range(num_studies)]
        for name, signal in {"trained_null": 0.0, "trained_signal": 1.0}.items()
    }
    pruned = {
        name: [
            pruned_study(setting, seed, num_draws, NUM_CONFIGURATIONS)
            for seed in range(0, num_studies, setting.every)
        ]
        for name, setting in PRUNED_SETTINGS.items()
    }
    result: dict[str, object] = {
        "benchmark": "selection",
        **provenance("selection"),
        "num_studies_per_setting": num_studies,
        "num_draws": num_draws,
        "num_configurations": NUM_CONFIGURATIONS,
    }
    for truth in ("null", "070"):
        both = summary(columns(studies[f"{truth}_independent"] + studies[f"{truth}_correlated"]))
        result |= {f"{metric}_{truth}": both[metric] for metric in ("naive", "bias", "coverage")}
    result |= pruned_goals(pruned)
    result["settings"] = {
        name: summary(columns(some)) | peers(columns(some)) for name, some in studies.items()
    } | {name: trained_summary(columns(some)) for name, some in trained.items()}
    result["settings_pruned"] = {name: pruned_summary(columns(some)) for name, some in pruned.items()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
