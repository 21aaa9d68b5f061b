"""DICOM waveform objects -> Recording, through pydicom (optional: `pip install crtsearch-ecg[formats]`).

Format: DICOM PS3.3, C.10.9 Waveform Module.
"""

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from crtcore.errors import DataError, brief
from crtcore.signal.expansion import check_size
from crtcore.signal.plain_signal import check_sampling_rate
from crtcore.signal.recording import Recording
from crtcore.signal.units import millivolts_per

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# What pydicom raises, undocumented, on elements that are absent or not what they should be.
_PARSE_ERRORS: Final = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    OSError,
    struct.error,
)


_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_PREAMBLE_BYTES: Final = 1024  # the transfer syntax is named well within
_MAX_DEFLATED_BYTES: Final = 2**18  # it may grow by a factor of 1032


def read_dicom(path: Path) -> Recording:
    """The longest original multiplex group of the DICOM file at `path`, in millivolts; padding becomes NaN.

    Derived groups (median beats) and channels whose unit is not a voltage are left out. The patient's name
    and number in the file are not read. Raises DataError for a damaged file, one without ECG, and where
    pydicom is not installed.
    """
    try:
        import pydicom
        from pydicom.errors import BytesLengthException, InvalidDicomError
    except ImportError as error:
        raise DataError(
            f"{path}: DICOM needs the package pydicom; pip install crtsearch-ecg[formats]"
        ) from error
    check_size(path)
    try:
        # From memory: a damaged length asks a file for up to 4 GB, but bytes only for what is there.
        content = path.read_bytes()
        if _DEFLATED in content[:_PREAMBLE_BYTES] and len(content) > _MAX_DEFLATED_BYTES:
            raise DataError(
                f"{path} is a deflated DICOM file of {len(content):,} bytes: save it uncompressed"
            )
        dataset = pydicom.dcmread(io.BytesIO(content))
        groups = list(dataset.get("WaveformSequence", []))
        original = [
            index
            for index, group in enumerate(groups)
            if group.get("WaveformOriginality", "ORIGINAL") == "ORIGINAL"
        ]
        if not original:
            raise DataError(f"{path} holds no recorded waveform: export the ECG as a DICOM waveform object")
        longest = max(original, key=lambda index: int(groups[index].NumberOfWaveformSamples))
        return _group_recording(path, dataset, longest)
    except (*_PARSE_ERRORS, BytesLengthException, InvalidDicomError) as error:
        raise DataError(f"{path} is not a whole DICOM file ({brief(error)}): fetch it again") from error


def _group_recording(path: Path, dataset: "Dataset", index: int) -> Recording:
    from pydicom.waveforms.numpy_handler import multiplex_array

    group = dataset.WaveformSequence[index]
    raw_SC = multiplex_array(dataset, index, as_raw=True)
    physical_SC = multiplex_array(dataset, index, as_raw=False)
    if "WaveformPaddingValue" in group:
        physical_SC[raw_SC == np.frombuffer(group.WaveformPaddingValue, dtype=raw_SC.dtype)[0]] = np.nan
    leads, rows = [], []
    for channel, definition in enumerate(group.ChannelDefinitionSequence):
        units = definition.get("ChannelSensitivityUnitsSequence", [])
        factor = millivolts_per(str(units[0].CodeValue)) if units else None
        if factor is not None:
            leads.append(str(definition.ChannelSourceSequence[0].CodeMeaning))
            rows.append(physical_SC[:, channel] * factor)
    if not rows:
        raise DataError(f"{path} has no channel in volts: it holds no ECG")
    check_sampling_rate(path, float(group.SamplingFrequency))
    return Recording(
        record_id=path.stem,
        patient_id=path.stem,
        leads=tuple(leads),
        sampling_rate_hz=float(group.SamplingFrequency),
        signal_CS=np.stack(rows).astype(np.float32),
    )
