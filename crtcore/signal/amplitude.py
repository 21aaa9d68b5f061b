"""Whether a recording's amplitudes are those of an ECG in millivolts.

A unit that is read wrong (µV or converter counts as mV) changes amplitudes by a factor of 5 to 1,000.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.errors import DataError
from crtcore.signal.recording import FloatArray, Recording

LOW_MV: Final = 0.02
HIGH_MV: Final = 20.0
IMPOSSIBLE_MV: Final = 100.0


def peak_to_peak_mv(signal_CS: FloatArray) -> npt.NDArray[np.float64]:
    """Highest less lowest sample of each lead, shape (leads,), NaN where a lead has no sample."""
    span_C: npt.NDArray[np.float64] = np.fmax.reduce(signal_CS, axis=1).astype(np.float64)
    span_C -= np.fmin.reduce(signal_CS, axis=1)
    return span_C


def check_amplitude(name: str, leads: Sequence[str], signal_CS: FloatArray) -> None:
    """DataError if a lead of recording `name` spans more than 100 mV, which no heart does."""
    for lead, span in zip(leads, peak_to_peak_mv(signal_CS).tolist(), strict=True):
        if span > IMPOSSIBLE_MV:
            raise DataError(
                f"{name}: lead {lead} spans {span:,.0f} mV between its lowest and its highest sample, more "
                f"than {IMPOSSIBLE_MV:g} mV; correct its unit or gain (is it in uV?), or cut the artefact out"
            )


def implausible_leads(recording: Recording) -> tuple[str, ...]:
    """What is odd about each lead that spans less than 0.02 mV or more than 20 mV, for example
    "II spans 31 mV"; empty for an ordinary recording.
    """
    spans = zip(recording.leads, peak_to_peak_mv(recording.signal_CS).tolist(), strict=True)
    return tuple(f"{lead} spans {span:.2g} mV" for lead, span in spans if span < LOW_MV or span > HIGH_MV)
