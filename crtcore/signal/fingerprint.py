"""A fingerprint of a recording's signal, by which a copy in another file or format is recognised.

Each lead is cut into pieces of one second, and each piece is hashed in whole microvolts. Nothing is
resampled, so a copy that was resampled, rescaled or shifted by a part of a second has another fingerprint.
The signal cannot be read back from it.
"""

import hashlib
from collections.abc import Collection
from typing import Final

import numpy as np

from crtcore.signal.recording import Recording

PIECE_S: Final = 1.0
MAX_PIECES: Final = 60
"""Of each lead: the first minute tells recordings apart."""
MIN_FOUND: Final = 2
SAME_SHARE: Final = 0.5
"""Of a lead's pieces. Two different recordings share no piece that moves."""
_DIGITS: Final = 16
_NOISE_DECIMALS: Final = 3
"""Of a microvolt: what float32 and text files round off."""

Fingerprint = tuple[tuple[str, ...], ...]


def fingerprint(recording: Recording) -> Fingerprint:
    """The hashes of each lead's pieces, in order. A piece that does not move has none: many are alike."""
    size = max(1, round(PIECE_S * recording.sampling_rate_hz))
    num_pieces = min(MAX_PIECES, recording.num_samples // size)
    signal_uv_CS = recording.signal_CS[:, : num_pieces * size].astype(np.float64) * 1000
    step_CS = np.rint(np.nan_to_num(signal_uv_CS).round(_NOISE_DECIMALS)).astype("<i8")
    return tuple(
        tuple(
            hashlib.sha256(piece_S.tobytes()).hexdigest()[:_DIGITS]
            for piece_S in step_S.reshape(num_pieces, size)
            if np.ptp(piece_S) > 0
        )
        for step_S in step_CS
    )


def is_known(found: Fingerprint, known: Collection[str]) -> bool:
    """Whether at least half of the pieces of some lead, and two or more, are among the `known` hashes."""
    for pieces in found:
        num_found = sum(piece in known for piece in pieces)
        if num_found >= MIN_FOUND and num_found >= SAME_SHARE * len(pieces):
            return True
    return False
