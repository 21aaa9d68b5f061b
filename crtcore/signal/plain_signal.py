"""The side file of tables and arrays, which adds sampling rate, unit and lead names."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crtcore.errors import DataError
from crtcore.signal.recording import Recording
from crtcore.signal.units import millivolts_per

MAX_SIDE_FILE_BYTES: Final = 2**20


class SideFile(BaseModel):
    """NAME.json beside NAME.csv, NAME.parquet or NAME.npy; `leads` names the channels in order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sampling_rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    unit: Literal["mV", "uV"] = "mV"
    leads: list[str] | None = None


def side_file_path(path: Path) -> Path:
    """Where the side file of the plain signal at `path` is looked for."""
    return path.with_suffix(".json")


def read_side_file(path: Path) -> SideFile:
    """The side file of the plain signal at `path`, the defaults without one. DataError if it is malformed."""
    file = side_file_path(path)
    if not file.is_file():
        return SideFile()
    if file.stat().st_size > MAX_SIDE_FILE_BYTES:
        raise DataError(
            f"{file} has more than {MAX_SIDE_FILE_BYTES:,} bytes: it is no side file of a recording"
        )
    try:
        return SideFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])[:80] or "the file"
        raise DataError(
            f"{file}: {key}: {first['msg']}; "
            f'write {{"sampling_rate_hz": 500, "unit": "mV", "leads": ["I", "II"]}}'
        ) from error


SAMPLING_RATES_HZ = (50.0, 20_000.0)
"""Lower rates lose the QRS complex, and no ECG is recorded at higher ones: the rate is a mistake."""


def check_sampling_rate(path: Path, sampling_rate_hz: float) -> None:
    """Raise DataError where the file at `path` gives a rate that no ECG has (NaN included)."""
    low, high = SAMPLING_RATES_HZ
    if not low <= sampling_rate_hz <= high:
        raise DataError(
            f"{path} has a sampling rate of {sampling_rate_hz:g} Hz, outside {low:g} to {high:g}; "
            f"correct the rate it gives"
        )


def plain_recording(
    path: Path,
    signal_CS: npt.NDArray[np.number],
    *,
    sampling_rate_hz: float | None,
    unit: str,
    leads: tuple[str, ...] | None,
) -> Recording:
    """A recording named after its file, in millivolts. DataError if rate or leads are missing or misfit."""
    remedy = f"write {side_file_path(path).name} beside it" if path.suffix != ".npz" else "add it to the file"
    if sampling_rate_hz is None:
        raise DataError(f"{path} has no sampling rate: {remedy}, with sampling_rate_hz")
    check_sampling_rate(path, sampling_rate_hz)
    if leads is None:
        raise DataError(f"{path} has no lead names: {remedy}, with leads")
    if len(leads) != len(signal_CS):
        turned = " (transpose it)" if signal_CS.shape[1] == len(leads) else ""
        raise DataError(
            f"{path} has {len(signal_CS)} channels and {len(leads)} lead names: "
            f"give the signal as leads x samples{turned} and one name for each lead"
        )
    factor = millivolts_per(unit)
    if factor is None:
        raise DataError(f"{path}: {unit!r} is not a voltage; give the unit as mV or uV")
    return Recording(
        record_id=path.stem,
        patient_id=path.stem,
        leads=leads,
        sampling_rate_hz=sampling_rate_hz,
        signal_CS=(signal_CS * factor).astype(np.float32),
    )
