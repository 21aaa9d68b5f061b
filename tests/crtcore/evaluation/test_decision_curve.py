"""Net benefit against counts by hand."""

import numpy as np
import pytest

from crtcore.evaluation.decision_curve import net_benefit, net_benefit_of_all

LABELS = np.array([1] * 4 + [0] * 6)
PROBABILITIES = np.array([0.9, 0.8, 0.6, 0.2, 0.7, 0.4, 0.3, 0.2, 0.1, 0.1])


def test_net_benefit_is_true_minus_weighted_false_positives_per_patient() -> None:
    # At 0.5: three true and one false positive; odds 1. At 0.2: four true, four false; odds 1/4.
    benefit_T = net_benefit(LABELS, PROBABILITIES, np.array([0.5, 0.2]))
    assert benefit_T == pytest.approx([(3 - 1) / 10, (4 - 4 / 4) / 10], abs=1e-12)


def test_treating_all_patients_has_no_net_benefit_at_the_prevalence() -> None:
    assert net_benefit_of_all(LABELS, np.array([0.4])) == pytest.approx([0.0], abs=1e-12)
    assert net_benefit_of_all(LABELS, np.array([0.1]))[0] > 0 > net_benefit_of_all(LABELS, np.array([0.6]))[0]
