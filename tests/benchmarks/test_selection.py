import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.selection import LABELS, SETTINGS, coverage, percentile_interval, ridge, study, trained_study


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
