"""NumPy arrays of shape (leads, samples) -> Recording. Pickled objects are never loaded."""

import math
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crtcore.errors import DataError, brief
from crtcore.signal.expansion import check_expansion, check_size
from crtcore.signal.plain_signal import plain_recording, read_side_file
from crtcore.signal.recording import Recording

# What numpy and zipfile raise on headers and directories that are not what they should be.
_ARRAY_ERRORS: Final = (ValueError, EOFError, OverflowError, TokenError)
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    NotImplementedError,
    RuntimeError,
)


def read_npy(path: Path) -> Recording:
    """The array at `path` (leads, samples), with rate, unit and lead names from its side file NAME.json."""
    check_size(path)
    side = read_side_file(path)
    try:
        # Mapped, a header that claims more than the file holds is refused before anything is allocated.
        signal_CS = np.lib.format.open_memmap(path, mode="r")
    except _ARRAY_ERRORS as error:
        raise DataError(
            f"{path} is not a whole .npy array of numbers ({brief(error)}): save it again with np.save"
        ) from error
    return plain_recording(
        path,
        _checked(path, signal_CS),
        sampling_rate_hz=side.sampling_rate_hz,
        unit=side.unit,
        leads=None if side.leads is None else tuple(side.leads),
    )


def read_npz(path: Path) -> Recording:
    """The file's arrays `signal` (leads, samples), `sampling_rate_hz`, `leads` and, if not mV, `unit`."""
    check_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = {
                name: _member(path, archive, name)
                for name in ("signal", "sampling_rate_hz", "leads", "unit")
                if f"{name}.npy" in names
            }
    except (*_ARRAY_ERRORS, *_ZIP_ERRORS) as error:
        raise DataError(
            f"{path} is not a whole .npz file of plain arrays ({brief(error)}): save it again with np.savez"
        ) from error
    if "signal" not in found:
        raise DataError(f"{path} has no array `signal`: save it with np.savez(..., signal=...)")
    for name, kinds in (("sampling_rate_hz", "fiu"), ("unit", "U"), ("leads", "U")):
        if name in found and (
            found[name].dtype.kind not in kinds or (name != "leads" and found[name].size != 1)
        ):
            what = "names" if name == "leads" else "one number" if kinds == "fiu" else "one text"
            raise DataError(f"{path}: array `{name}` must hold {what}; save it again")
    return plain_recording(
        path,
        _checked(path, found["signal"]),
        sampling_rate_hz=float(found["sampling_rate_hz"].item()) if "sampling_rate_hz" in found else None,
        unit=str(found["unit"].item()) if "unit" in found else "mV",
        leads=tuple(str(name) for name in found["leads"].ravel()) if "leads" in found else None,
    )


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """One array of the archive; what it claims is compared with its stored size before it is allocated."""
    member = f"{name}.npy"
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(stream)
    stored = archive.getinfo(member).file_size
    check_expansion(path, stored)
    if math.prod(shape) * dtype.itemsize > stored:
        raise DataError(
            f"{path}: array `{name}` claims shape {shape}, more than the file holds; save it again"
        )
    with archive.open(member) as stream:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _checked(path: Path, signal_CS: npt.NDArray[Any]) -> npt.NDArray[np.number]:
    if signal_CS.ndim != 2 or signal_CS.dtype.kind not in "fiu":
        raise DataError(
            f"{path} holds an array of shape {signal_CS.shape} and type {signal_CS.dtype}: "
            f"save numbers of shape (leads, samples)"
        )
    return signal_CS
