"""What the model is compared with on other patients."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from crtcore.config import SimpleModel, SpectrogramConfig
from crtcore.data.manifest import Patient
from crtcore.data.sources import Source
from crtcore.evaluation.linear_model import LinearModel
from crtcore.prediction.linear import SimplePredictor
from crtcore.prediction.predictor import Predictor, Preparation
from search.results.validation_cohort import Examined
from search.results.validation_others import (
    NOT_EVERYBODY,
    comparators_of,
    lacking_columns,
    patient_probabilities,
)


def patient(name: str, **clinical: Any) -> Patient:
    return Patient(patient_id=name, label=0, clinical=clinical)


def examined(name: str, logits: Mapping[SimpleModel, Any]) -> Examined:
    source = Source(patient_id=name, record_id=name, path=Path(name), sha256=name, row=1)
    return Examined(source=source, logit_B=np.zeros(1), comparators=logits)


def predictor(kind: SimpleModel, *names: str) -> Predictor:
    ones = np.ones(len(names))
    linear = LinearModel(names=names, median_D=ones, mean_D=ones, scale_D=ones, weight_D=ones, intercept=0.0)
    return Predictor(
        model=SimplePredictor(kind=kind, linear=linear),
        preparation=Preparation(spectrogram=SpectrogramConfig(), leads=("II",), max_beats=None),
        threshold=0.3,
        classes=("0", "1"),
    )


PATIENTS = (patient("a", age_years=60), patient("b", age_years=70))


def test_all_beats_of_a_patient_count_or_the_first_recording() -> None:
    logits = [("a", np.array([1.0, 2.0])), ("b", np.array([-1.0])), ("a", np.array([6.0]))]
    found = patient_probabilities(PATIENTS, logits, reads_beats=True)
    assert found == pytest.approx(expit([3.0, -1.0]), abs=1e-12)
    found = patient_probabilities(PATIENTS, logits, reads_beats=False)
    assert found == pytest.approx(expit([1.5, -1.0]), abs=1e-12)
    assert patient_probabilities(PATIENTS, logits[:1], reads_beats=True) is None


def test_a_comparator_is_scored_at_its_own_threshold_or_says_what_it_lacks() -> None:
    models: dict[SimpleModel, Predictor] = {
        "clinical": predictor("clinical", "age_years"),
        "qrs": predictor("qrs", "qrs_duration_ms", "qrs_area_uvs"),
    }
    both: list[Examined] = [
        examined("a", {"clinical": np.array([0.5]), "qrs": np.array([0.1])}),
        examined("b", {"clinical": np.array([-0.5])}),
    ]
    clinical, qrs = comparators_of(PATIENTS, both, models)
    assert clinical.name == "logistic regression on clinical variables"
    assert clinical.score_P == pytest.approx(expit([0.5, -0.5]), abs=1e-12)
    assert clinical.cut == 0.3
    assert (qrs.score_P, qrs.missing_column) == (None, NOT_EVERYBODY)


def test_a_column_without_any_value_is_lacking() -> None:
    model = predictor("clinical", "age_years", "lvef_percent")
    assert lacking_columns(PATIENTS, model) == ("lvef_percent",)
    (found,) = comparators_of(PATIENTS, [examined("a", {})], {"clinical": model})
    assert found.missing_column == "lvef_percent"
