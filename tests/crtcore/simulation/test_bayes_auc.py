import numpy as np
import pytest
from scipy.stats import norm

from crtcore.simulation.bayes_auc import Binary, Continuous, Variable, bayes_auc

FAR = -1e3  # a cut that cuts nothing


def test_equal_normals_have_the_closed_form_auc() -> None:
    classes = [Continuous(mean=mean, sd=2.0, low=FAR) for mean in (0.0, 1.5)]
    expected = float(norm.cdf(1.5 / 2.0 / np.sqrt(2)))
    assert bayes_auc(classes[:1], classes[1:]) == pytest.approx(expected, abs=1e-4)


def test_independent_normals_add_their_distances_in_quadrature() -> None:
    class_0 = [Continuous(mean=0.0, sd=1.0, low=FAR)] * 3
    class_1 = [Continuous(mean=mean, sd=1.0, low=FAR) for mean in (0.5, 0.8, 1.1)]
    expected = float(norm.cdf(np.sqrt(0.5**2 + 0.8**2 + 1.1**2) / np.sqrt(2)))
    assert bayes_auc(class_0, class_1) == pytest.approx(expected, abs=1e-4)


def test_a_yes_no_variable_has_the_mean_of_sensitivity_and_specificity() -> None:
    assert bayes_auc([Binary(share=0.52)], [Binary(share=0.957)]) == pytest.approx(
        (0.957 + 0.48) / 2, abs=1e-9
    )


def test_the_same_distribution_in_both_classes_tells_nothing() -> None:
    variables: list[Variable] = [Binary(share=0.3), Continuous(mean=5.0, sd=2.0, low=0.0)]
    assert bayes_auc(variables, variables) == pytest.approx(0.5, abs=1e-9)


def test_a_cut_variable_has_the_mean_and_deviation_asked_for_and_nothing_below_the_cut() -> None:
    value = Continuous(mean=158.4, sd=23.7, low=120.0).draw(np.random.default_rng(0), 400_000)
    assert value.min() >= 120
    assert value.mean() == pytest.approx(158.4, abs=0.2)
    assert value.std() == pytest.approx(23.7, abs=0.2)


def test_the_density_is_that_of_the_draws() -> None:
    variable = Continuous(mean=10.0, sd=6.0, low=2.0)
    edges = np.linspace(2.0, 40.0, 39)
    middles = (edges[1:] + edges[:-1]) / 2
    counts, _ = np.histogram(variable.draw(np.random.default_rng(1), 200_000), edges)
    np.testing.assert_allclose(np.exp(variable.log_density(middles)), counts / 200_000, atol=2e-3)
