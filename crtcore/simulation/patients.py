"""The simulated patients, drawn from Table 1 of He et al. 2023 (arXiv 2306.01210).

Within an outcome, the four variables of CLASSES are independent. Everything else about a patient does not
depend on the outcome.
"""

from dataclasses import dataclass

import numpy as np

from crtcore.simulation.bayes_auc import Binary, Continuous, Variable, bayes_auc
from crtcore.simulation.beat_shapes import Conduction

RESPONDER_SHARE = 46 / 71
INFORMATIVE = ("lbbb", "qrs_duration_ms", "lvef_percent", "scar_percent")
IN_THE_ECG = ("lbbb", "qrs_duration_ms")


@dataclass(frozen=True, kw_only=True)
class OutcomeClass:
    """The informative variables of responders or of non-responders."""

    lbbb: Binary
    qrs_duration_ms: Continuous
    lvef_percent: Continuous
    scar_percent: Continuous


# By label: 0 non-responder, 1 responder. QRS is cut off at 120 ms, because shorter ones get no CRT.
CLASSES = (
    OutcomeClass(
        lbbb=Binary(share=13 / 25),
        qrs_duration_ms=Continuous(mean=158.4, sd=23.7, low=120),
        lvef_percent=Continuous(mean=25.2, sd=4.7, low=5),
        scar_percent=Continuous(mean=32.0, sd=11.8, low=0),
    ),
    OutcomeClass(
        lbbb=Binary(share=44 / 46),
        qrs_duration_ms=Continuous(mean=179.4, sd=19.8, low=120),
        lvef_percent=Continuous(mean=27.8, sd=5.1, low=5),
        scar_percent=Continuous(mean=23.2, sd=11.2, low=0),
    ),
)


@dataclass(frozen=True, kw_only=True)
class SimulatedPatient:
    patient_id: str
    label: int
    lbbb: bool
    conduction: Conduction
    qrs_duration_ms: float
    lvef_percent: float
    scar_percent: float
    nyha: int
    age_years: int
    sex: str


def draw_patients(rng: np.random.Generator, num_patients: int) -> tuple[SimulatedPatient, ...]:
    """Patients in random order. The shares of responders and of LBBB are the table's, the rest is drawn."""
    num_responders = round(RESPONDER_SHARE * num_patients)
    labels: list[int] = []
    lbbb: list[bool] = []
    columns = []
    for label, size in ((0, num_patients - num_responders), (1, num_responders)):
        variables = CLASSES[label]
        num_lbbb = round(variables.lbbb.share * size)
        labels += [label] * size
        lbbb += [True] * num_lbbb + [False] * (size - num_lbbb)
        continuous = (variables.qrs_duration_ms, variables.lvef_percent, variables.scar_percent)
        columns.append(np.stack([variable.draw(rng, size) for variable in continuous]).round(1))
    qrs_ms, lvef, scar = np.concatenate(columns, axis=1).tolist()
    patients = []
    for number, index in enumerate(rng.permutation(num_patients).tolist(), start=1):
        other: Conduction = "rbbb" if rng.random() < 0.5 else "ivcd"
        patients.append(
            SimulatedPatient(
                patient_id=f"sim{number:03d}",
                label=labels[index],
                lbbb=lbbb[index],
                conduction="lbbb" if lbbb[index] else other,
                qrs_duration_ms=qrs_ms[index],
                lvef_percent=lvef[index],
                scar_percent=scar[index],
                nyha=int(rng.choice([2, 3, 4], p=[0.35, 0.55, 0.10])),
                age_years=int(np.clip(rng.normal(64, 10), 30, 88)),
                sex="male" if rng.random() < 0.7 else "female",
            )
        )
    return tuple(patients)


def best_auc(names: tuple[str, ...]) -> float:
    """AUC of the best possible score from the INFORMATIVE variables in `names`."""
    class_0, class_1 = ([_variable(outcome, name) for name in names] for outcome in CLASSES)
    return bayes_auc(class_0, class_1)


def _variable(outcome: OutcomeClass, name: str) -> Variable:
    variables: dict[str, Variable] = {
        "lbbb": outcome.lbbb,
        "qrs_duration_ms": outcome.qrs_duration_ms,
        "lvef_percent": outcome.lvef_percent,
        "scar_percent": outcome.scar_percent,
    }
    return variables[name]
