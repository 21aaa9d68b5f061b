"""What wfdb does not check in a record: file sizes, checksums, and units it misreads.

`header` and `record` are wfdb's own objects, which are untyped.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from crtcore.errors import DataError

_BYTES_PER_SAMPLE: Final = {
    "8": 1.0,
    "16": 2.0,
    "24": 3.0,
    "32": 4.0,
    "61": 2.0,
    "80": 1.0,
    "160": 2.0,
    "212": 1.5,
}


def signal_units(header_path: Path, parsed: list[str | None]) -> list[str | None]:
    """Each signal's unit; `parsed` is what wfdb made of it.

    wfdb drops letters outside ASCII, which makes volts of µV: such headers are read again here.
    """
    content = header_path.read_bytes()
    if content.isascii():
        return parsed
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # A signal line: file name, format, gain(baseline)/unit, ...
    fields = [line.split()[2:3] for line in lines[1 : 1 + len(parsed)]]
    return [(field[0].partition("/")[2] if field else "") or None for field in fields]


def check_signal_files(path: Path, header: Any) -> None:
    """wfdb reads short files with a reshape error or not at all: compare sizes with the header first."""
    for name in dict.fromkeys(header.file_name):
        file = path.parent / name
        if not file.is_file():
            raise DataError(f"{file} is missing though {path.name}.hea names it: fetch the record again")
        channels = [c for c in range(header.n_sig) if header.file_name[c] == name]
        fmt = header.fmt[channels[0]]
        if fmt not in _BYTES_PER_SAMPLE or not header.sig_len:
            continue
        samples_per_frame = sum(header.samps_per_frame[c] or 1 for c in channels)
        needed = int(header.sig_len * samples_per_frame * _BYTES_PER_SAMPLE[fmt]) + (
            header.byte_offset[channels[0]] or 0
        )
        if file.stat().st_size < needed:
            raise DataError(
                f"{file} is truncated: {file.stat().st_size} bytes where {path.name}.hea promises {needed}; "
                "fetch it again"
            )


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
