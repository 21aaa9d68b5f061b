"""EDF and EDF+ files -> Recording, through edfio (optional: `pip install crtsearch-ecg[formats]`).

Format: Kemp et al. 1992 (Electroencephalogr. Clin. Neurophysiol. 82:391); Kemp & Olivan 2003 (Clin.
Neurophysiol. 114:1755).
"""

import warnings
from pathlib import Path
from typing import Final

import numpy as np

from crtcore.errors import DataError, brief
from crtcore.signal.expansion import check_size
from crtcore.signal.leads import is_lead_name, normalise_lead
from crtcore.signal.plain_signal import check_sampling_rate
from crtcore.signal.recording import Recording
from crtcore.signal.units import millivolts_per

# What edfio raises on headers that are not what they should be, beside its warnings on sizes and calibration.
_PARSE_ERRORS: Final = (ValueError, IndexError, KeyError, ArithmeticError, UnboundLocalError)


def read_edf(path: Path) -> Recording:
    """The ECG signals of the EDF(+) file at `path`, in millivolts.

    Those are the signals labelled as ECG, EKG or a standard lead or, where there is none, all whose unit is a
    voltage. Raises DataError for a damaged, truncated or discontinuous file, for ECG signals at different
    rates, and where edfio is not installed.
    """
    try:
        import edfio
    except ImportError as error:
        raise DataError(f"{path}: EDF needs the package edfio; pip install crtsearch-ecg[formats]") from error
    check_size(path)
    try:
        with warnings.catch_warnings():
            # edfio only warns where the size is not what the header says, or a calibration is void.
            warnings.simplefilter("error", UserWarning)
            file = edfio.read_edf(path, header_encoding="latin-1")
            if not file.is_continuous:
                raise DataError(f"{path} is a discontinuous EDF+ recording: export it without gaps")
            voltage = [signal for signal in file.signals if millivolts_per(signal.physical_dimension)]
            chosen = [signal for signal in voltage if _is_ecg(signal.label)] or voltage
            rates = sorted({signal.sampling_frequency for signal in chosen})
            rows = [signal.data * (millivolts_per(signal.physical_dimension) or 1.0) for signal in chosen]
    except (*_PARSE_ERRORS, UserWarning) as error:
        raise DataError(f"{path} is not a whole EDF file ({brief(error)}): fetch it again") from error
    if not chosen:
        raise DataError(f"{path} has no signal in volts: it holds no ECG")
    if len(rates) > 1:
        raise DataError(
            f"{path} has ECG signals at {rates[0]:g} and {rates[-1]:g} Hz: export them at one sampling rate"
        )
    check_sampling_rate(path, rates[0])
    return Recording(
        record_id=path.stem,
        patient_id=path.stem,
        leads=tuple(signal.label for signal in chosen),
        sampling_rate_hz=rates[0],
        signal_CS=np.stack(rows).astype(np.float32),
    )


def _is_ecg(label: str) -> bool:
    lead = normalise_lead(label)
    return is_lead_name(lead) or lead.startswith(("ECG", "EKG"))
