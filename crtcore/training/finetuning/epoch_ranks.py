"""The order of the patients' out-of-fold scores after an epoch, as a short text: a patient's rank within each
repeat.

An AUC depends on this order only, whether over all patients or within a fold. So ranks are exact where short
floats are not: probabilities near 1 would tie. Up to 256 patients they take a byte each, in base64 1.4.
The text begins with a key of patients, outcomes and folds, so ranks of other patients are never mixed up.

Legend: P patients, R repeats.
"""

import base64
import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.errors import StorageError
from crtcore.signal.recording import IntArray, StrArray
from crtcore.training.finetuning.predictions import OutOfFold

KEY_LENGTH: Final = 12

Ranks = npt.NDArray[np.unsignedinteger]


def encode_ranks(found: OutOfFold) -> str:
    """The ranks of the scores of `found`; equal scores have equal ranks."""
    rank_RP = np.stack([np.unique(score_P, return_inverse=True)[1] for score_P in found.score_RP])
    content = rank_RP.astype(_type_for(rank_RP.shape[1])).tobytes()
    return f"{cohort_key(found.id_P, found.label_P, found.fold_RP)}:{base64.b64encode(content).decode()}"


def decode_ranks(text: str, *, key: str, shape: tuple[int, int]) -> Ranks | None:
    """Ranks of shape (repeats, patients), None if they are of another cohort than `key` says.

    Raises StorageError if the text is damaged.
    """
    found, _, content = text.partition(":")
    if found != key:
        return None
    try:
        return np.frombuffer(base64.b64decode(content, validate=True), _type_for(shape[1])).reshape(shape)
    except ValueError as error:
        raise StorageError("the epoch scores of a trial are damaged; run the sweep again") from error


def cohort_key(id_P: StrArray, label_P: IntArray, fold_RP: IntArray) -> str:
    """Equal if patients, their order, outcomes and folds are equal."""
    content = "\n".join(id_P.tolist()).encode()
    for numbers in (label_P, fold_RP):
        content += b"\0" + np.ascontiguousarray(numbers, dtype="<i8").tobytes()
    return hashlib.sha256(content).hexdigest()[:KEY_LENGTH]


def _type_for(num_patients: int) -> np.dtype[np.unsignedinteger]:
    return np.dtype(np.min_scalar_type(num_patients - 1)).newbyteorder("<")
