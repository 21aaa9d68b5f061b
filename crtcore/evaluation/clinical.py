"""The clinical columns of the manifest as arrays: numbers, yes/no, and text with few categories.

Legend: P patients, D features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crtcore.data.manifest import Patient
from crtcore.errors import DataError

MAX_CATEGORIES: Final = 5  # a text column with more is free text, not a variable
YES_NO: Final = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Features:
    """`value_PD` has one row per patient and NaN for missing values. `names` has one name per feature."""

    names: tuple[str, ...]
    value_PD: Float64Array


def has_column(patients: Sequence[Patient], name: str) -> bool:
    """Whether at least one patient has a value in this column."""
    return any(patient.clinical.get(name) is not None for patient in patients)


def number_column(patients: Sequence[Patient], name: str) -> Float64Array | None:
    """A column of numbers, shape (patients,). None unless every patient has a value.

    Raises DataError, which names the patient, if a value is not a number.
    """
    values = [patient.clinical.get(name) for patient in patients]
    if any(value is None for value in values):
        return None
    for patient, value in zip(patients, values, strict=True):
        if not isinstance(value, (int, float)) or not np.isfinite(value):
            raise DataError(
                f"patient {patient.patient_id}: {name} is {value!r} in the manifest; give a number or leave "
                f"the cell empty"
            )
    return np.array(values, dtype=np.float64)


def yes_no_column(patients: Sequence[Patient], name: str) -> Float64Array | None:
    """A column of 0 and 1 (or yes/no, true/false), shape (patients,). None unless every patient has a value.

    Raises DataError, which names the patient, if a value is something else.
    """
    values = [patient.clinical.get(name) for patient in patients]
    if any(value is None for value in values):
        return None
    for patient, value in zip(patients, values, strict=True):
        if _as_yes_no(value) is None:
            raise DataError(
                f"patient {patient.patient_id}: {name} is {value!r} in the manifest; give 1 or 0, or leave "
                f"the cell empty"
            )
    return np.array([_as_yes_no(value) for value in values], dtype=np.float64)


def clinical_features(patients: Sequence[Patient], columns: Sequence[str] | None = None) -> Features:
    """The given columns as features, by default all columns of the manifest.

    Numbers stay numbers, and yes/no becomes 0/1. Text with 2 to 5 categories becomes one 0/1 feature for each
    category but the first. Columns with only one value and text with more categories are left out. Outcomes
    are not used.
    """
    if columns is None:
        columns = list(dict.fromkeys(name for patient in patients for name in patient.clinical))
    features: dict[str, Float64Array] = {}
    for name in columns:
        features |= _encoded(name, [patient.clinical.get(name) for patient in patients])
    varying = {name: value_P for name, value_P in features.items() if np.nanmin(value_P) < np.nanmax(value_P)}
    table = np.stack(list(varying.values()), axis=1) if varying else np.empty((len(patients), 0))
    return Features(names=tuple(varying), value_PD=table)


def clinical_values(clinical: Mapping[str, Any], names: Sequence[str]) -> Float64Array:
    """One patient's values of the features that `clinical_features` named, NaN where a value is missing.

    Raises DataError if a value is neither a number nor yes or no where the feature needs one.
    """
    return np.array([_value(clinical, name) for name in names], dtype=np.float64)


def _value(clinical: Mapping[str, Any], name: str) -> float:
    column, separator, kind = name.partition(": ")
    if separator and name not in clinical:
        given = clinical.get(column)
        return float("nan") if given is None else float(str(given) == kind)
    given = clinical.get(name)
    if given is None:
        return float("nan")
    number = float(given) if isinstance(given, (int, float)) else _as_yes_no(given)
    if number is None:
        raise DataError(f"clinical value {name} is {given!r}; give a number, or yes or no")
    return number


def _encoded(name: str, values: Sequence[Any]) -> Mapping[str, Float64Array]:
    """The features of a column. An empty column and free text have none."""
    present = [value for value in values if value is not None]
    if not present:
        return {}
    if all(isinstance(value, (int, float)) for value in present):
        return {name: np.array([np.nan if value is None else value for value in values], dtype=np.float64)}
    if all(_as_yes_no(value) is not None for value in present):
        numbers = [np.nan if value is None else _as_yes_no(value) for value in values]
        return {name: np.array(numbers, dtype=np.float64)}
    kinds = sorted({str(value) for value in present})
    if len(kinds) > MAX_CATEGORIES:
        return {}
    return {
        f"{name}: {kind}": np.array([np.nan if value is None else str(value) == kind for value in values])
        for kind in kinds[1:]
    }


def _as_yes_no(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return float(value) if value in (0, 1) else None
    return YES_NO.get(str(value).strip().casefold())
