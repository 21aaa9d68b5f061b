"""Competitors that take no training: the guideline, LBBB, QRS duration and QRS area.

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

if TYPE_CHECKING:  # it loads a compiler, which whoever only compares has no use for
    from crtcore.evaluation.qrs_area import QrsMeasurement

GUIDELINE_QRS_MS: Final = 150.0
GUIDELINE_LVEF_PERCENT: Final = 35.0
MEASURED: Final = "measured from the ECG"


def rule_comparators(
    patients: Sequence[Patient], measured: Mapping[str, "QrsMeasurement"]
) -> tuple[Comparator, ...]:
    """The guideline, LBBB alone, QRS duration alone and QRS area alone, for the patients in the order given.

    `measured` maps patient ids to what their ECG shows, for those whose leads allow it. The guideline is
    class I of ESC 2021 (Glikson et al., Eur. Heart J. 42:3427) as far as the columns go: LBBB, QRS >= 150 ms
    and LVEF <= 35 %. It and LBBB score 0 or 1; QRS duration and area are scores as they are, larger ones
    speaking for response; QRS duration is cut at the guideline's 150 ms, area has no settled cut. A column
    with a gap counts as missing: a rule has nothing to impute from. Where the QRS duration is missing so, the
    measured ones are taken for all, and named so.
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
