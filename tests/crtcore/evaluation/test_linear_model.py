"""A fitted logistic regression as plain numbers gives what its scikit-learn pipeline gives."""

import numpy as np
import pytest

from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, plain_model
from crtcore.evaluation.linear_model import fit_linear_model

LABEL_P = np.array([1] * 20 + [0] * 20)


def values() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    value_PD = rng.normal(size=(40, 4)) * [1, 10, 0.1, 0] + [0, 100, 0, 3]
    value_PD[:, 0] += LABEL_P
    value_PD[rng.random(value_PD.shape) < 0.1] = np.nan
    return np.column_stack([value_PD, np.full(40, np.nan)])  # the last column has no value at all


def test_the_numbers_give_the_pipelines_probabilities() -> None:
    value_PD = values()
    model = fit_linear_model(["a", "b", "c", "d", "e"], value_PD, LABEL_P, seed=0)
    pipeline = plain_model(LOGISTIC_REGRESSION, 0).fit(value_PD, LABEL_P)
    expected_P = pipeline.predict_proba(value_PD)[:, 1]
    assert model.probabilities(value_PD) == pytest.approx(expected_P, abs=1e-12)
    assert model.logits(value_PD) == pytest.approx(pipeline.decision_function(value_PD), abs=1e-10)
    assert model.names == ("a", "b", "c", "d", "e")
    assert all(np.isfinite(each).all() for each in (model.median_D, model.mean_D, model.weight_D))
    assert (model.scale_D > 0).all()


def test_the_informative_feature_has_the_largest_weight() -> None:
    model = fit_linear_model(["a", "b", "c", "d", "e"], values(), LABEL_P, seed=0)
    assert int(np.abs(model.weight_D).argmax()) == 0
    assert model.weight_D[4] == 0
