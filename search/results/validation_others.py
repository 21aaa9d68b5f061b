"""What an external validation compares the model with: the rules, and the simple models of its own sweep.

Legend: P patients, B beats.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.config import SimpleModel
from crtcore.data.manifest import Patient
from crtcore.evaluation.clinical import has_column
from crtcore.evaluation.comparators import Comparator
from crtcore.evaluation.rules import rule_comparators
from crtcore.prediction.predictor import Predictor, patient_probability
from crtcore.training.finetuning.simple_model import describe
from search.results.validation_cohort import Examined

NOT_EVERYBODY: Final = "a score for every patient"
Float64Array = npt.NDArray[np.float64]
Logits = npt.NDArray[np.floating]


def patient_probabilities(
    patients: Sequence[Patient], logits: Iterable[tuple[str, Logits]], *, reads_beats: bool
) -> Float64Array | None:
    """The logistic function of a patient's mean logit over all beats, as in training. A model that does not
    read beats counts the first recording only. None if a patient has no logit.

    `logits` are the patient's id and the logits of each recording, in the order of the manifest.
    """
    found: dict[str, list[Logits]] = {}
    for patient_id, logit_B in logits:
        parts = found.setdefault(patient_id, [])
        if reads_beats or not parts:
            parts.append(logit_B)
    if any(patient.patient_id not in found for patient in patients):
        return None
    return np.array([patient_probability(np.concatenate(found[patient.patient_id])) for patient in patients])


def rules_of(patients: Sequence[Patient], examined: Sequence[Examined]) -> tuple[Comparator, ...]:
    """The rules. QRS duration and area are measured in the first recording of a patient that is used."""
    first: dict[str, Examined] = {}
    for each in examined:
        if each.logit_B is not None:
            first.setdefault(each.source.patient_id, each)
    return rule_comparators(
        patients, {name: each.qrs for name, each in first.items() if each.qrs is not None}
    )


def comparators_of(
    patients: Sequence[Patient],
    examined: Sequence[Examined],
    comparators: Mapping[SimpleModel, Predictor],
) -> tuple[Comparator, ...]:
    """The simple models with their scores, each at its own threshold. Nothing is fitted to these patients."""
    return tuple(_comparator(patients, examined, kind, predictor) for kind, predictor in comparators.items())


def lacking_columns(patients: Sequence[Patient], predictor: Predictor) -> tuple[str, ...]:
    """The columns of the manifest that a model needs and no patient has a value in."""
    return tuple(column for column in predictor.columns if not has_column(patients, column))


def _comparator(
    patients: Sequence[Patient], examined: Sequence[Examined], kind: SimpleModel, predictor: Predictor
) -> Comparator:
    name, lacking = describe(kind), lacking_columns(patients, predictor)
    if lacking:
        return Comparator(name=name, missing_column=", ".join(lacking))
    score_P = patient_probabilities(
        patients,
        [(each.source.patient_id, each.comparators[kind]) for each in examined if kind in each.comparators],
        reads_beats=predictor.reads_beats,
    )
    if score_P is None:
        return Comparator(name=name, missing_column=NOT_EVERYBODY)
    return Comparator(name=name, score_P=score_P, cut=predictor.threshold)
