"""Out-of-fold predictions: the files of the stage `finetune` that hold them, written and read here only.

Legend: P patients, B beats, R repeats of the cross-validation.
"""

import dataclasses
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.signal.recording import IntArray, StrArray
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore

OOF_FILE: Final = "oof.parquet"
BEATS_FILE: Final = "beats.parquet"
KEYS: Final = ("patient_id", "label", "repeat", "fold")
COLUMNS: Final = (*KEYS, "score")

Float64Array = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """The predictions of one trial: each patient is scored by the fold that did not train on it.

    Patients are in the order of their ids. Scores are probabilities of label 1. `fold_RP` is the number of
    the fold that scored a patient. `patient_B` is the patient of each beat. `patient_B` and `score_RB` are
    None if the head scores no single beats, or if only patients were read.
    """

    id_P: StrArray
    label_P: IntArray
    fold_RP: IntArray
    score_RP: Float64Array
    patient_B: IntArray | None = None
    score_RB: Float64Array | None = None

    def folds_of_beats(self) -> IntArray:
        """The number of the fold that scored each beat, shape (repeats, beats); only if beats were scored."""
        assert self.patient_B is not None
        return np.asarray(self.fold_RP[:, self.patient_B])


def encode_out_of_fold(found: OutOfFold, *, num_beats_P: IntArray, num_leads: int) -> dict[str, bytes]:
    """The predictions as Parquet files, by file name.

    `oof.parquet` has a row for each repeat and patient; `num_beats_P` and `num_leads` say how many beats and
    images gave a score. `beats.parquet` has a row for each repeat and beat (`beat` counts the beats of the
    prepared set), and is left out if no beats were scored.
    """
    num_repeats, num_patients = found.score_RP.shape
    files = {
        OOF_FILE: _parquet(
            {
                "patient_id": np.tile(found.id_P, num_repeats),
                "label": np.tile(found.label_P, num_repeats),
                "repeat": np.repeat(np.arange(num_repeats), num_patients),
                "fold": found.fold_RP.ravel(),
                "score": found.score_RP.ravel(),
                "num_beats": np.tile(num_beats_P, num_repeats),
                "num_images": np.tile(num_beats_P * num_leads, num_repeats),
            }
        )
    }
    if found.patient_B is not None and found.score_RB is not None:
        num_beats = len(found.patient_B)
        files[BEATS_FILE] = _parquet(
            {
                "patient_id": np.tile(found.id_P[found.patient_B], num_repeats),
                "repeat": np.repeat(np.arange(num_repeats), num_beats),
                "fold": found.folds_of_beats().ravel(),
                "beat": np.tile(np.arange(num_beats), num_repeats),
                "score": found.score_RB.ravel(),
            }
        )
    return files


def read_out_of_fold(store: StageStore, digest: str) -> OutOfFold:
    """The predictions that the stage `finetune` with this digest holds, those of its beats included.

    Raises StorageError if they are missing or damaged.
    """
    (found,) = read_patients(store, [digest])
    key = StageKey(name="finetune", digest=digest)
    manifest = store.find(key)
    if manifest is None or BEATS_FILE not in manifest.files:
        return found
    table = pq.read_table(store.path(key, BEATS_FILE))
    order = np.lexsort((table["beat"].to_numpy(), table["repeat"].to_numpy()))
    score_RB = table["score"].to_numpy()[order].reshape(len(found.score_RP), -1)
    id_B = np.array(table["patient_id"].to_pylist())[order[: score_RB.shape[1]]]
    return dataclasses.replace(found, patient_B=np.searchsorted(found.id_P, id_B), score_RB=score_RB)


def read_patients(store: StageStore, digests: Iterable[str]) -> Iterator[OutOfFold]:
    """The predictions of several stages `finetune`, without those of beats.

    Stages that scored the same patients in the same folds share all arrays but the scores. Raises
    StorageError if predictions are missing or damaged.
    """
    # Comparing Arrow columns is faster than converting them: with a thousand trials, a fifth of the time.
    first: tuple[pa.Table, IntArray, OutOfFold] | None = None
    for digest in digests:
        table = _patient_table(store, digest)
        if first is not None and all(table[name].equals(first[0][name]) for name in KEYS):
            _, order, like = first
            score_RP = _numbers(table["score"])[order].reshape(like.score_RP.shape)
            yield dataclasses.replace(like, score_RP=score_RP)
            continue
        order, found = _decode(table)
        first = first or (table, order, found)
        yield found


def _decode(table: pa.Table) -> tuple[IntArray, OutOfFold]:
    """The rows by repeat and patient, and what they hold in this order."""
    id_N, repeat_N = np.array(table["patient_id"].to_pylist()), _numbers(table["repeat"])
    order = np.lexsort((id_N, repeat_N))
    shape = (len(np.unique(repeat_N)), -1)
    score_RP = _numbers(table["score"])[order].reshape(shape)
    one_repeat = order[: score_RP.shape[1]]
    return order, OutOfFold(
        id_P=id_N[one_repeat],
        label_P=_numbers(table["label"])[one_repeat],
        fold_RP=_numbers(table["fold"])[order].reshape(shape),
        score_RP=score_RP,
    )


# pyarrow's own functions to sort and convert load its function library or pandas, which takes 0.1 to 0.25 s.
# Without them, the leaderboard of a thousand trials opens sooner.


def _patient_table(store: StageStore, digest: str) -> pa.Table:
    # `read_table` prepares for data sets of many files, which takes longer than reading one small file.
    with pq.ParquetFile(store.path(StageKey(name="finetune", digest=digest), OOF_FILE)) as file:
        return file.read(columns=list(COLUMNS), use_threads=False)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column without nulls."""
    return np.array(np.from_dlpack(column.combine_chunks()))


def _parquet(columns: dict[str, npt.NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()
