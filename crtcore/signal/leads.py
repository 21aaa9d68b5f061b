"""Lead names in one spelling, and limb leads derived from others."""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from crtcore.errors import DataError
from crtcore.signal.recording import Recording

STANDARD_LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RHYTHM_LEAD: Final = "II"  # R peaks are tall in it and easy to tell from other waves
INDEPENDENT_LEADS: Final = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the others follow from these
_CANONICAL: Final = {name.upper(): name for name in (*STANDARD_LEADS, "MLII")} | {
    "DI": "I",
    "DII": "II",
    "DIII": "III",
}
_OTHER_LEADS: Final = re.compile(r"V[1-9]R?|ML(I{1,3}|V[1-6])|MCL[1-6]|(ECG|EKG)[ _-]?[0-9]{0,2}")
_PREFIX: Final = re.compile(r"^(MDC_ECG_LEAD_|(ECG|EKG)[ _-]*(LEAD[ _-]*)?|LEAD[ _-]*)", re.IGNORECASE)
# DICOM CID 3001: "Lead I (Einthoven)", "aVR, augmented voltage, right".
_REMARK: Final = re.compile(r"[(,].*$")
_BLANKS: Final = re.compile(r"[\s_]+")

_FRONTAL_PLANE: Final = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""Each limb lead as a combination of I and II: Einthoven's law III = II - I, and Goldberger's augmented leads
(Malmivuo & Plonsey 1995, Bioelectromagnetism, ch. 15).
"""


def normalise_lead(name: str) -> str:
    """The canonical spelling: I, II, III, aVR, aVL, aVF, V1 ... V6, MLII; other names trimmed, in upper case.

    Understood are any case, blanks ("V 1"), the prefixes "Lead", "ECG", "EKG" and "MDC_ECG_LEAD_" (ISO/IEEE
    11073-10101), DI ... DIII, and remarks such as "Lead I (Einthoven)".
    """
    bare = _REMARK.sub("", _PREFIX.sub("", name.strip()))
    return _CANONICAL.get(_BLANKS.sub("", bare).upper(), name.strip().upper())


def rhythm_row(leads: tuple[str, ...]) -> int:
    """The row of the lead in which R peaks are detected: lead II, or the first if there is no lead II."""
    return leads.index(RHYTHM_LEAD) if RHYTHM_LEAD in leads else 0


def is_lead_name(name: str) -> bool:
    """Whether a name in canonical spelling is certainly that of an ECG lead."""
    return name in STANDARD_LEADS or _OTHER_LEADS.fullmatch(name) is not None


def derive_leads(
    recording: Recording,
    wanted: tuple[str, ...],
    *,
    remedy: str = "set cohort.leads to leads that all recordings have",
) -> Recording:
    """`recording` with the `wanted` leads as its rows, in that order and in canonical spelling.

    An absent limb lead is derived from two that are there, I, II and III before the augmented ones (any two
    of the six fix the frontal plane); where one of the two is missing (NaN) so is the result. Raises
    DataError with `remedy` for a lead that is neither there nor derivable, and if a recording or `wanted`
    names a lead twice.
    """
    wanted = tuple(normalise_lead(name) for name in wanted)
    present = tuple(normalise_lead(name) for name in recording.leads)
    for names, where in ((present, f"recording {recording.record_id}"), (wanted, "the list of wanted leads")):
        twice = [name for i, name in enumerate(names) if name in names[:i]]
        if twice:
            raise DataError(f"{where} names lead {twice[0]} twice ({', '.join(names)}); rename or remove one")
    absent = [name for name in wanted if name not in present]
    limb = [name for name in _FRONTAL_PLANE if name in present][:2]
    lost = [name for name in absent if name not in _FRONTAL_PLANE or len(limb) < 2]
    if lost:
        raise DataError(
            f"recording {recording.record_id} has no lead {lost[0]} (it has {', '.join(present)}) and it "
            f"cannot be derived from them; {remedy}"
        )
    rows = {name: recording.signal_CS[row] for row, name in enumerate(present)}
    if absent:
        # Solved for the two leads at hand: absent = weights @ limb.
        weights = np.linalg.solve(
            np.array([_FRONTAL_PLANE[name] for name in limb]).T,
            np.array([_FRONTAL_PLANE[name] for name in absent]).T,
        ).T
        limb_CS = np.stack([rows[name] for name in limb]).astype(np.float64)
        rows |= zip(absent, (weights @ limb_CS).astype(np.float32), strict=True)
    return replace(recording, leads=wanted, signal_CS=np.stack([rows[name] for name in wanted]))
