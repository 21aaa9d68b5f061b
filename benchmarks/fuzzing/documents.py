"""Config files and cohort manifests, read again by PyYAML and pandas."""

import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.fuzzing.kinds import Kind
from benchmarks.fuzzing.mutations import bytes_damaged, either
from crtcore.config import Experiment
from crtcore.configfile import load_experiment
from crtcore.data.manifest import ManifestRow, read_manifest
from crtcore.data.manifest_table import MISSING

CONFIG: Final = """name: demo
storage: storage
seed: 3
spectrogram: {window: hann, window_length: 128}
arrhythmia:
  database: mitdb
cohort:
  manifest: cohort.csv
  leads: [II, V1]
  class_names: [stays ill, recovers]
finetune:
  epochs: 12
  learning_rate: 1e-3
  repeats: 2
search:
  trials: 20
  space:
    finetune.learning_rate: {low: 1e-5, high: 1e-2, log: true}
    pretrain.depth: [18, 34]
"""
MANIFEST: Final = """patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml,age_years,sex,fold
p0,r0,200,100,71,male,0
p1,r1,180.5,170,66.5,female,1
"p2, b",r2,18.0,15.3,NA,male,0
p3,r3,150,149,80,,1
"""


def document_kinds() -> tuple[Kind, ...]:
    """Configs, overrides and manifests."""
    return (
        Kind(
            name="config",
            write=_write_config,
            damage=either,
            read=load_experiment,
            disagreement=_config_differs,
            share=2.0,
        ),
        Kind(
            name="override",
            write=_write_override,
            damage=either,
            read=lambda path: load_experiment("demo", path.read_text(errors="replace").splitlines()[:3]),
            disagreement=lambda path, experiment: None,
        ),
        Kind(
            name="manifest csv",
            write=_write_manifest,
            damage=either,
            read=lambda path: read_manifest(_on(path)),
            disagreement=lambda path, rows: _manifest_differs(
                pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True), rows
            ),
            share=2.0,
        ),
        Kind(
            name="manifest parquet",
            write=_write_parquet_manifest,
            damage=bytes_damaged,
            read=lambda path: read_manifest(_on(path)),
            disagreement=lambda path, rows: _manifest_differs(
                pd.DataFrame(pq.read_table(path).to_pydict()).astype(str), rows
            ),
        ),
    )


def _write_config(folder: Path) -> Path:
    (folder / "demo.yaml").write_text(CONFIG)
    return folder / "demo.yaml"


def _write_override(folder: Path) -> Path:
    (folder / "settings").write_text("finetune.epochs=20\nsearch.space.pretrain.depth=[18, 50]\nname=other\n")
    return folder / "settings"


def _write_manifest(folder: Path) -> Path:
    (folder / "m.csv").write_text(MANIFEST)
    return folder / "m.csv"


def _write_parquet_manifest(folder: Path) -> Path:
    table = pa.Table.from_pandas(pd.read_csv(io.StringIO(MANIFEST)))
    pq.write_table(table.replace_schema_metadata(None), folder / "m.parquet")
    return folder / "m.parquet"


def _on(path: Path) -> Experiment:
    return Experiment.model_validate(
        {"name": "x", "arrhythmia": {"database": path.parent}, "cohort": {"manifest": path}}
    )


def _config_differs(path: Path, experiment: Experiment) -> str | None:
    """Whether a value that PyYAML reads is another in the experiment."""
    mine = dict(_leaves(experiment.model_dump(mode="json")))
    for key, value in _leaves(yaml.safe_load(path.read_text())):
        if key in ("storage", "cache", "data"):  # made absolute
            continue
        if key not in mine:
            return f"{key} is not in the experiment"
        if not _equal(value, mine[key]):
            return f"{key} is {value!r} in the file and {mine[key]!r} in the experiment"
    return None


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        elif not isinstance(value, Mapping):
            yield f"{prefix}{key}", value


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    try:
        return str(one) == str(other) or float(one) == float(other)
    except (TypeError, ValueError):
        return False


def _manifest_differs(frame: pd.DataFrame, rows: tuple[ManifestRow, ...]) -> str | None:
    """Whether pandas, with exact decimals for the volumes, gives other patients, labels or values."""
    frame.columns = [str(name).strip() for name in frame.columns]
    frame = frame.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    if len(frame) != len(rows):
        return f"{len(frame)} rows and {len(rows)}"
    for (_, theirs), mine in zip(frame.iterrows(), rows, strict=True):
        if (str(theirs["patient_id"]), str(theirs["recording"])) != (mine.patient.patient_id, mine.recording):
            return f"row {mine.number}: another patient or recording"
        if _label(theirs) not in (None, mine.patient.label):
            return f"row {mine.number}: label {mine.patient.label}"
        for name, value in mine.patient.clinical.items():
            text = str(theirs[name])
            if (value is None) != (text in MISSING) or (value is not None and not _equal(text, value)):
                return f"row {mine.number}: {name} is {text!r} and {value!r}"
    return None


def _label(cells: "pd.Series[Any]") -> int | None:
    if "label" in cells.index:
        return {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1}.get(str(cells["label"]))
    before, after = (Decimal(str(cells[name])) for name in ("lvesv_baseline_ml", "lvesv_followup_ml"))
    return int(after <= before * Decimal("0.85"))
