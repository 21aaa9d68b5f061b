"""EDF and DICOM recordings, read again from their bytes."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzzing.kinds import Independent, Kind, recording_kind
from benchmarks.fuzzing.mutations import bytes_damaged, either
from benchmarks.fuzzing.recordings import LEADS, RATE_HZ, example_signal
from crtcore.signal.leads import is_lead_name, normalise_lead
from crtcore.signal.units import millivolts_per


def clinical_kinds() -> tuple[Kind, ...]:
    """EDF and DICOM; they need edfio and pydicom."""
    return (
        recording_kind("edf", _write_edf, either, _edf),
        recording_kind("dicom", _write_dicom, bytes_damaged, _dicom),
    )


def _write_edf(folder: Path) -> Path:
    import edfio

    signals = [
        edfio.EdfSignal(lead_S.astype(np.float64), RATE_HZ, label=f"ECG {name}", physical_dimension="mV")
        for name, lead_S in zip(LEADS, example_signal(), strict=True)
    ]
    edfio.Edf(signals).write(folder / "r.edf")
    return folder / "r.edf"


def _edf(path: Path) -> Independent:
    """The format's own description, field by field (Kemp et al. 1992)."""
    content = path.read_bytes()
    head = content[:256].decode("latin-1")
    num_records, seconds, num_signals = int(head[236:244]), float(head[244:252]), int(head[252:256])
    table = content[256 : 256 * (num_signals + 1)].decode("latin-1")

    def column(offset: int, width: int) -> list[str]:
        start = offset * num_signals
        return [table[start + width * i : start + width * (i + 1)].strip() for i in range(num_signals)]

    labels, units, counts = column(0, 16), column(96, 8), [int(text) for text in column(216, 8)]
    low_mv, high_mv, low, high = (
        np.array([float(text) for text in column(offset, 8)]) for offset in (104, 112, 120, 128)
    )
    digital = np.frombuffer(content[256 * (num_signals + 1) :], "<i2")[: num_records * sum(counts)]
    record_RS = digital.reshape(num_records, sum(counts)).astype(np.float64)
    start_C = np.cumsum([0, *counts])
    factors = [millivolts_per(unit) for unit in units]
    voltage = [c for c in range(num_signals) if factors[c] and labels[c] != "EDF Annotations"]
    named = [c for c in voltage if _names_a_lead(labels[c])] or voltage
    rows = []
    for c in named:
        lead_S = record_RS[:, start_C[c] : start_C[c + 1]].ravel()
        scale = (high_mv[c] - low_mv[c]) / (high[c] - low[c])
        rows.append(((lead_S - low[c]) * scale + low_mv[c]) * (factors[c] or 1.0))
    return Independent(
        leads=tuple(labels[c] for c in named), rate_hz=counts[named[0]] / seconds, signal_CS=np.array(rows)
    )


def _names_a_lead(label: str) -> bool:
    lead = normalise_lead(label)
    return is_lead_name(lead) or lead.startswith(("ECG", "EKG"))


def _write_dicom(folder: Path) -> Path:
    import pydicom
    from pydicom.data import get_testdata_file

    dataset = pydicom.dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    dataset.WaveformSequence = dataset.WaveformSequence[:1]
    group = dataset.WaveformSequence[0]
    group.NumberOfWaveformSamples = 500
    group.WaveformData = group.WaveformData[: 500 * 2 * group.NumberOfWaveformChannels]
    dataset.save_as(folder / "r.dcm")
    return folder / "r.dcm"


def _dicom(path: Path) -> Independent:
    """pydicom's elements; samples, sensitivities and baselines put together here."""
    import pydicom

    dataset: Any = pydicom.dcmread(path)
    groups = [
        group
        for group in dataset.WaveformSequence
        if group.get("WaveformOriginality", "ORIGINAL") == "ORIGINAL"
    ]
    group = max(groups, key=lambda each: int(each.NumberOfWaveformSamples))
    kind = {"SS": "<i2", "US": "<u2", "SB": "i1", "UB": "u1", "SL": "<i4", "UL": "<u4"}
    dtype = np.dtype(kind[group.WaveformSampleInterpretation])
    num_channels = int(group.NumberOfWaveformChannels)
    num_values = num_channels * int(group.NumberOfWaveformSamples)
    raw_SC = np.frombuffer(group.WaveformData, dtype)[:num_values].reshape(-1, num_channels)
    padding = np.frombuffer(group.WaveformPaddingValue, dtype)[0] if "WaveformPaddingValue" in group else None
    names, rows = [], []
    for channel, definition in enumerate(group.ChannelDefinitionSequence):
        units = definition.get("ChannelSensitivityUnitsSequence", [])
        factor = millivolts_per(str(units[0].CodeValue)) if units else None
        if factor is None:
            continue
        lead_S = raw_SC[:, channel].astype(np.float64)
        if "ChannelSensitivity" in definition:
            scale = float(definition.ChannelSensitivity)
            scale *= float(definition.get("ChannelSensitivityCorrectionFactor", 1))
            lead_S = lead_S * scale + float(definition.get("ChannelBaseline", 0))
        lead_S[raw_SC[:, channel] == padding] = np.nan
        names.append(str(definition.ChannelSourceSequence[0].CodeMeaning))
        rows.append(lead_S * factor)
    return Independent(leads=tuple(names), rate_hz=float(group.SamplingFrequency), signal_CS=np.array(rows))
