"""The class probabilities that a pre-trained network gives to beats it did not train on, and their file.

Legend: N images, K classes.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.signal.recording import IntArray, StrArray
from crtcore.stages.stage import JSON
from crtcore.training.pretraining.beat_metrics import beat_metrics

SCORES_FILE: Final = "scores.parquet"


@dataclass(frozen=True, kw_only=True)
class BeatScores:
    """One row for each scored image.

    `row_N` is the image's row in the prepared set and `label_N` an index into `classes`. The exponentials of
    `log_probability_NK` sum to 1 over classes.
    """

    classes: tuple[str, ...]
    row_N: IntArray
    record_N: StrArray
    label_N: IntArray
    log_probability_NK: npt.NDArray[np.float64]

    def predicted(self) -> IntArray:
        """The most probable class of each image, shape (images,)."""
        return np.asarray(self.log_probability_NK.argmax(axis=1))

    def metrics(self, *, seed: int) -> dict[str, JSON]:
        """The `beat_metrics` of the most probable classes."""
        return beat_metrics(self.label_N, self.predicted(), self.record_N, self.classes, seed=seed)

    def encode(self) -> bytes:
        """Parquet with a row for each image and a column for each class."""
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
    """Read the file that `BeatScores.encode` made. The stage store has verified its bytes."""
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
