import numpy as np
import pytest
from scipy.special import softmax

from crtcore.training.pretraining.priors import class_weights, corrected_log_probabilities


def test_the_weight_of_a_rare_class_grows_with_the_root_of_its_share_up_to_a_limit() -> None:
    label_N = np.repeat([0, 1, 2], [10_000, 100 * 4, 1])
    weight_K = class_weights(label_N, 4)
    assert weight_K[1] / weight_K[0] == pytest.approx(5)
    assert weight_K[2] / weight_K[0] == pytest.approx(10)
    assert weight_K[3] == 0
    assert weight_K[label_N].mean() == pytest.approx(1)


def test_the_shift_by_class_weights_is_corrected() -> None:
    """Bayes' rule with weighted priors, for two normal densities with shares of 90 and 10 %."""
    x_N = np.linspace(-3, 5, 50)
    density_NK = np.exp(-0.5 * (x_N[:, None] - np.array([0.0, 2.0])) ** 2)
    share_K = np.array([0.9, 0.1])
    weight_K = np.array([0.6, 4.6], dtype=np.float32)
    weighted_NK = np.log(density_NK * share_K * weight_K)
    truth_NK = density_NK * share_K / (density_NK * share_K).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.exp(corrected_log_probabilities(weighted_NK, weight_K)), truth_NK, rtol=1e-5
    )
    untouched = corrected_log_probabilities(weighted_NK, np.ones(2, dtype=np.float32))
    np.testing.assert_allclose(np.exp(untouched), softmax(weighted_NK, axis=1), rtol=1e-9)


def test_a_class_without_training_examples_is_not_corrected() -> None:
    logit_NK = np.array([[0.0, 1.0, -20.0]])
    corrected = corrected_log_probabilities(logit_NK, np.array([1.0, 1.0, 0.0], dtype=np.float32))
    assert np.isfinite(corrected).all()
    assert corrected[0, 2] < -20
