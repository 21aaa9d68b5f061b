"""The rules: comparators without training. They are the guideline, LBBB, QRS duration and QRS area.

Legend: P patients.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from crtcore.data.manifest import Patient
from crtcore.evaluation.clinical import number_column, yes_no_column
from crtcore.evaluation.comparators import Comparator
from crtcore.evaluation.metrics import FloatScores
from crtcore.signal.leads import INDEPENDENT_LEADS

if TYPE_CHECKING:  # at run time it would load numba, which is not needed to compare
    from crtcore.evaluation.qrs_area import QrsMeasurement

GUIDELINE_QRS_MS: Final = 150.0
GUIDELINE_LVEF_PERCENT: Final = 35.0
MEASURED: Final = "measured from the ECG"


def rule_comparators(
    patients: Sequence[Patient], measured: Mapping[str, "QrsMeasurement"]
) -> tuple[Comparator, ...]:
    """The guideline, LBBB alone, QRS duration alone and QRS area alone, for the patients in the given order.

    `measured` has the ECG measurements by patient id, for patients whose leads allow them. The guideline is
    class I of ESC 2021 (Glikson et al., Eur. Heart J. 42:3427), reduced to the columns that exist: LBBB, QRS
    >= 150 ms and LVEF <= 35 %. The guideline and LBBB score 0 or 1. QRS duration and QRS area are scores
    themselves; larger values predict response. The cut of the QRS duration is the guideline's 150 ms; the QRS
    area has no accepted cut. A column with a missing value counts as missing, because a rule cannot impute.
    If the QRS duration is missing, the measured durations of all patients are used, and the name says so.
    """
    lbbb_P, lvef_P = yes_no_column(patients, "lbbb"), number_column(patients, "lvef_percent")
    qrs_P, remark = number_column(patients, "qrs_duration_ms"), ""
    ecgs = [measured[patient.patient_id] for patient in patients if patient.patient_id in measured]
    has_ecgs = len(ecgs) == len(patients)
    if qrs_P is None and has_ecgs:
        qrs_P, remark = np.array([ecg.duration_ms for ecg in ecgs]), f" (QRS {MEASURED})"
    area_P = np.array([ecg.area_uvs for ecg in ecgs]) if has_ecgs else None
    criteria = {"lbbb": lbbb_P, "qrs_duration_ms": qrs_P, "lvef_percent": lvef_P}
    lacking = [column for column, value_P in criteria.items() if value_P is None]
    met_P = None
    if lbbb_P is not None and qrs_P is not None and lvef_P is not None:
        met_P = 1.0 * ((lbbb_P == 1) & (qrs_P >= GUIDELINE_QRS_MS) & (lvef_P <= GUIDELINE_LVEF_PERCENT))
    return (
        _comparator(f"guideline{remark}", ", ".join(lacking), met_P),
        _comparator("LBBB alone", "lbbb", lbbb_P),
        _comparator(f"QRS duration alone{remark}", "qrs_duration_ms", qrs_P, cut=GUIDELINE_QRS_MS),
        _comparator(
            f"QRS area alone ({MEASURED})", f"leads {', '.join(INDEPENDENT_LEADS)}", area_P, cut=None
        ),
    )


def _comparator(
    name: str, column: str, score_P: FloatScores | None, *, cut: float | None = 0.5
) -> Comparator:
    return Comparator(name=name, score_P=score_P, missing_column=column if score_P is None else None, cut=cut)
