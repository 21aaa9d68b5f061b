import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.selection import (
    LABELS,
    SETTINGS,
    coverage,
    percentile_interval,
    pruned_goals,
    ridge,
    study,
    trained_study,
)


def test_the_dual_ridge_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    feature_PD = rng.normal(size=(len(LABELS), 100))
    centred_PD = feature_PD - feature_PD.mean(axis=0)
    penalty = 0.3 * float((centred_PD**2).sum()) / len(LABELS)
    expected_D = Ridge(alpha=penalty).fit(centred_PD, LABELS).coef_
    np.testing.assert_allclose(ridge(centred_PD, LABELS, 0.3), expected_D, rtol=1e-8, atol=1e-12)


def test_a_study_knows_the_true_auc_of_its_winner() -> None:
    null, real = (study(SETTINGS[name], 0, 100) for name in ("null_independent", "070_correlated"))
    assert null["truth"] == 0.5 < null["naive"]
    assert abs(real["truth"] - 0.7) < 1e-9
    assert null["low"] < null["estimate"] < null["high"]


def test_without_a_signal_the_true_auc_of_a_trained_winner_is_one_half() -> None:
    assert abs(trained_study(0.0, 0, 100)["truth"] - 0.5) < 0.03
    assert trained_study(3.0, 0, 100)["truth"] > 0.8


def test_the_percentile_interval_of_one_configuration_is_around_its_auc() -> None:
    score_P1 = (np.random.default_rng(0).normal(size=len(LABELS)) + LABELS)[:, None]
    low, high = percentile_interval(score_P1, 400, np.random.default_rng(0))
    won = np.mean(score_P1[LABELS == 1] > score_P1[LABELS == 0].T)
    assert low < won < high


def test_coverage_is_the_share_of_intervals_with_the_truth() -> None:
    column = {"low": np.array([0.1, 0.4, 0.6]), "high": np.array([0.5, 0.6, 0.7])}
    assert coverage(column, "", 0.5) == 0.6667


def test_the_goals_are_the_worse_of_both_truths() -> None:
    def studies(truth: float, estimate: float) -> list[dict[str, float]]:
        one = {"truth": truth, "estimate": estimate, "low": truth - 0.1, "high": truth + 0.1}
        peers = {
            f"{peer}{end}": truth + shift
            for peer in ("ignored", "complete_only")
            for end, shift in (("", 0.05), ("_low", 0.01), ("_high", 0.2))
        }
        return [one | peers | {"naive": 0.8, "complete_trials": 9.0}]

    goals = pruned_goals(
        {
            f"pruned_{truth}_{kind}": some
            for truth, some in {"null": studies(0.5, 0.49), "070": studies(0.7, 0.703)}.items()
            for kind in ("independent", "correlated")
        }
    )
    assert (goals["bias_pruned"], goals["bias_pruned_070"], goals["coverage_pruned"]) == (-0.01, 0.003, 1.0)
    assert (goals["bias_pruned_ignored"], goals["coverage_pruned_ignored"]) == (0.05, 0.0)
