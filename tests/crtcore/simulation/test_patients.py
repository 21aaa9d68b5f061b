import numpy as np
import pytest
from scipy.stats import rankdata

from crtcore.simulation.patients import CLASSES, IN_THE_ECG, INFORMATIVE, best_auc, draw_patients


def test_counts_are_the_tables() -> None:
    patients = draw_patients(np.random.default_rng(0), 71)
    assert sum(patient.label for patient in patients) == 46
    assert sum(patient.lbbb for patient in patients if patient.label == 1) == 44
    assert sum(patient.lbbb for patient in patients if patient.label == 0) == 13
    assert len({patient.patient_id for patient in patients}) == 71
    assert all((patient.conduction == "lbbb") == patient.lbbb for patient in patients)
    assert {patient.conduction for patient in patients} == {"lbbb", "rbbb", "ivcd"}


def test_the_order_of_patients_does_not_tell_the_outcome() -> None:
    labels = [patient.label for patient in draw_patients(np.random.default_rng(0), 71)]
    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    assert 0.35 < np.mean(np.flatnonzero(np.array(labels)) / 71) < 0.65


@pytest.mark.parametrize("name", ["qrs_duration_ms", "lvef_percent", "scar_percent"])
@pytest.mark.parametrize("label", [0, 1])
def test_clinical_variables_follow_table_1(name: str, label: int) -> None:
    expected = getattr(CLASSES[label], name)
    for seed in range(3):
        patients = draw_patients(np.random.default_rng(seed), 71)
        value_P = np.array([getattr(patient, name) for patient in patients if patient.label == label])
        assert value_P.mean() == pytest.approx(expected.mean, abs=4 * expected.sd / np.sqrt(len(value_P)))
        assert value_P.std() == pytest.approx(expected.sd, rel=0.5)
        assert value_P.min() >= expected.low


@pytest.mark.parametrize("names", [("lbbb",), ("qrs_duration_ms",), IN_THE_ECG, INFORMATIVE])
def test_the_best_auc_is_that_of_the_likelihood_ratio_of_drawn_patients(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    size = 40_000
    log_ratio_by_class = []
    for outcome in CLASSES:
        total_P = np.zeros(size)
        for name in names:
            other_0, other_1 = (getattr(each, name) for each in CLASSES)
            if name == "lbbb":
                yes_P = rng.random(size) < outcome.lbbb.share
                share_0_P, share_1_P = (
                    np.where(yes_P, each.share, 1 - each.share) for each in (other_0, other_1)
                )
                total_P += np.log(share_1_P / share_0_P)
            else:
                value_P = getattr(outcome, name).draw(rng, size)
                total_P += other_1.log_density(value_P) - other_0.log_density(value_P)
        log_ratio_by_class.append(total_P)
    rank_P = rankdata(np.concatenate(log_ratio_by_class))
    simulated = (rank_P[size:].sum() - size * (size + 1) / 2) / size**2
    assert best_auc(names) == pytest.approx(simulated, abs=0.01)


def test_more_variables_tell_more() -> None:
    assert 0.5 < best_auc(("lbbb",)) < best_auc(IN_THE_ECG) < best_auc(INFORMATIVE) < 1
