"""How large a recording may be, as a file and in memory."""

from pathlib import Path
from typing import Final

from crtcore.errors import DataError

MAX_DECODED_BYTES: Final = 2**31
"""16 leads of 2 h at 1 kHz are 0.9 GB in double precision."""
ALWAYS_ALLOWED_BYTES: Final = 2**26
MAX_RATIO: Final = 100
"""An ECG, which is never free of noise, shrinks to a tenth at best."""


def check_size(file: Path) -> None:
    """DataError if a file is larger than any recording that fits in memory."""
    if file.stat().st_size > MAX_DECODED_BYTES:
        raise DataError(f"{file} has more than {MAX_DECODED_BYTES:,} bytes: split the recording")


def check_expansion(file: Path, decoded_bytes: int) -> None:
    """DataError if a file claims far more than its size can hold, before anything is allocated for it."""
    limit = min(MAX_DECODED_BYTES, max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * file.stat().st_size))
    if decoded_bytes > limit:
        raise DataError(
            f"{file} has {file.stat().st_size:,} bytes and claims to hold {decoded_bytes:,}, more than "
            f"{limit:,}: it is damaged, or must be split"
        )
