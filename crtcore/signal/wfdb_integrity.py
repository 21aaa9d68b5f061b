"""What wfdb does not check in the files of a record: their sizes and checksums.

`header` and `record` are wfdb's own objects, which are untyped.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from crtcore.errors import DataError
from crtcore.signal.expansion import check_expansion, check_size

_BYTES_PER_SAMPLE: Final = {
    "8": 1.0,
    "16": 2.0,
    "24": 3.0,
    "32": 4.0,
    "61": 2.0,
    "80": 1.0,
    "160": 2.0,
    "212": 1.5,
    "310": 4 / 3,
    "311": 4 / 3,
}
_COMPRESSED: Final = ("508", "516", "524")  # FLAC


def check_signal_files(path: Path, header: Any) -> None:
    """Compare each file's size with what the header promises, before wfdb allocates anything.

    wfdb reads short files with a reshape error or not at all, and allocates whatever a header claims.
    """
    for name in dict.fromkeys(header.file_name):
        file = path.parent / name
        if not file.is_file():
            raise DataError(f"{file} is missing though {path.name}.hea names it: fetch the record again")
        channels = [c for c in range(header.n_sig) if header.file_name[c] == name]
        size, fmt = file.stat().st_size, header.fmt[channels[0]]
        num_samples = (header.sig_len or 0) * sum(header.samps_per_frame[c] or 1 for c in channels)
        if fmt not in _BYTES_PER_SAMPLE and fmt not in _COMPRESSED:
            raise DataError(f"{file} is in format {fmt}, which is not read: convert it to format 16")
        if any(header.fmt[c] != fmt for c in channels):
            raise DataError(f"{path.name}.hea gives {name} two formats: correct it or fetch the record again")
        check_size(file)
        needed = int(num_samples * _BYTES_PER_SAMPLE.get(fmt, 0)) + (header.byte_offset[channels[0]] or 0)
        if size < needed:
            raise DataError(
                f"{file} is truncated: {size} bytes where {path.name}.hea promises {needed}; fetch it again"
            )
        check_expansion(file, num_samples * 4)


def check_checksums(path: Path, record: Any) -> None:
    """Compare each signal's 16-bit checksum with the header's, where there is one and no averaging."""
    if record.checksum is None or any((n or 1) != 1 for n in record.samps_per_frame):
        return
    total_C = record.d_signal.sum(axis=0, dtype=np.int64)
    for channel, checksum in enumerate(record.checksum):
        if checksum is not None and (int(total_C[channel]) - checksum) % 65536:
            raise DataError(
                f"{path.parent / record.file_name[channel]} is damaged: signal {channel} does not match the "
                f"checksum in {path.name}.hea; fetch the record again"
            )
