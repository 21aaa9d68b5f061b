"""The class probabilities of beats that a model did not train on, as a file of the stage that gave them.

Legend: N images, K classes.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.signal.recording import IntArray, StrArray
from crtcore.stages.stage import JSON
from crtcore.training.pretraining.beat_metrics import beat_figures

SCORES_FILE = "scores.parquet"


@dataclass(frozen=True, kw_only=True)
class BeatScores:
    """`row_N` are rows of the prepared set, `label_N` indexes `classes`, `log_probability_NK` has sums of
    probabilities of 1 along K.
    """

    classes: tuple[str, ...]
    row_N: IntArray
    record_N: StrArray
    label_N: IntArray
    log_probability_NK: npt.NDArray[np.float64]

    def predicted(self) -> IntArray:
        """The likeliest class of each image, shape (images,)."""
        return np.asarray(self.log_probability_NK.argmax(axis=1))

    def figures(self, *, seed: int) -> dict[str, JSON]:
        """What `beat_figures` makes of the likeliest classes."""
        return beat_figures(self.label_N, self.predicted(), self.record_N, self.classes, seed=seed)

    def encode(self) -> bytes:
        """Parquet, one row an image, a column a class."""
        table = pa.table(
            {
                "row": self.row_N,
                "record_id": self.record_N,
                "label": self.label_N,
                **{
                    f"log_probability_{name}": self.log_probability_NK[:, index]
                    for index, name in enumerate(self.classes)
                },
            }
        ).replace_schema_metadata({"classes": json.dumps(self.classes)})
        stream = io.BytesIO()
        pq.write_table(table, stream)
        return stream.getvalue()


def read_scores(path: Path) -> BeatScores:
    """What `BeatScores.encode` wrote; its bytes were verified by the stage store."""
    table = pq.read_table(path)
    classes = tuple(json.loads(table.schema.metadata[b"classes"]))
    return BeatScores(
        classes=classes,
        row_N=table["row"].to_numpy(),
        record_N=table["record_id"].to_numpy().astype(np.str_),
        label_N=table["label"].to_numpy(),
        log_probability_NK=np.stack(
            [table[f"log_probability_{name}"].to_numpy() for name in classes], axis=1
        ),
    )
