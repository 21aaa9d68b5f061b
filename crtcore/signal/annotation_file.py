"""Decoder of WFDB annotation files in MIT format. It works on whole arrays.

Format: annot(5), https://physionet.org/physiotools/wag/annot-5.htm. A word of 16 bits holds a code (6 bits)
and a time step (10 bits); codes from 59 on are no annotations but say more about the one beside them.
"""

from pathlib import Path
from typing import Final

import numpy as np

from crtcore.errors import DataError
from crtcore.signal.expansion import check_size
from crtcore.signal.recording import IntArray, StrArray

# Codes 1 to 41; a space for codes without a meaning.
_SYMBOLS: Final = 'NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
_SYMBOL_OF_CODE: Final[StrArray] = np.array(["", *(s.strip() for s in _SYMBOLS), *[""] * 22])
_SKIP: Final = 59
_AUX: Final = 63
_RESOLUTION_NOTE: Final = b"## time resolution:"


def read_annotation(file: Path, sampling_rate_hz: float) -> tuple[IntArray, StrArray]:
    """Sample number (at `sampling_rate_hz`) and WFDB symbol of each annotation, in order.

    A code without a meaning has the symbol "". Raises DataError when the file is missing or truncated.
    """
    if not file.is_file():
        raise DataError(f"{file} is missing: an annotated database needs one for every record")
    check_size(file)
    data = file.read_bytes()
    if len(data) % 2:
        raise DataError(f"{file} is truncated (it has an odd number of bytes): fetch it again")
    word_W = np.frombuffer(data, dtype="<u2", count=len(data) // 2).astype(np.int64)
    code_W = word_W >> 10
    annotates_W = code_W < _SKIP
    step_W = np.where(annotates_W, word_W & 0x3FF, 0)
    resolution_hz = sampling_rate_hz
    resume = 0
    for position in np.flatnonzero((word_W == 0) | (code_W == _SKIP) | (code_W == _AUX)).tolist():
        if position < resume:  # inside the payload of an earlier word
            continue
        if word_W[position] == 0:
            if data[2 * position :].strip(b"\0"):
                raise DataError(f"{file} goes on after its end mark: it is damaged; fetch it again")
            annotation = np.flatnonzero(annotates_W[:position])
            sample_A = np.cumsum(step_W[:position])[annotation]
            if resolution_hz != sampling_rate_hz:
                sample_A = np.rint(sample_A * (sampling_rate_hz / resolution_hz)).astype(np.int64)
            return sample_A, _SYMBOL_OF_CODE[code_W[annotation]]
        if code_W[position] == _SKIP:
            resume = position + 3
            if resume > len(word_W):
                break
            high, low = word_W[position + 1 : resume].tolist()
            step = (high << 16) + low - ((high >> 15) << 32)
        else:
            num_bytes = int(word_W[position] & 0x3FF)
            resume = position + 1 + (num_bytes + 1) // 2
            step = 0
            note = data[2 * position + 2 : 2 * position + 2 + num_bytes]
            if note.startswith(_RESOLUTION_NOTE):
                resolution_hz = _resolution(note, file)
        annotates_W[position + 1 : resume] = False
        step_W[position + 1 : resume] = 0
        step_W[position] = step
    raise DataError(f"{file} is truncated (it has no end mark): fetch it again")


def _resolution(note: bytes, file: Path) -> float:
    try:
        resolution_hz = float(note[len(_RESOLUTION_NOTE) :].rstrip(b"\0"))
    except ValueError:
        resolution_hz = 0.0
    if not resolution_hz > 0:
        raise DataError(f"{file} states no usable time resolution ({note!r}): correct that note")
    return resolution_hz
