import csv
from pathlib import Path

from benchmarks.null_sweep import permuted_manifest


def test_a_permuted_manifest_has_the_same_rows_with_the_labels_in_another_order(tmp_path: Path) -> None:
    manifest = tmp_path / "cohort.csv"
    rows = [f"p{number},r{number},{int(number < 8)}" for number in range(20)]
    manifest.write_text("\n".join(["patient_id,recording,label", *rows]) + "\n")
    paths = [permuted_manifest(manifest, seed) for seed in (0, 0, 1)]
    tables = []
    for path in paths:
        with path.open(newline="") as stream:
            tables.append(list(csv.DictReader(stream)))
    with manifest.open(newline="") as stream:
        original = list(csv.DictReader(stream))
    for table in tables:
        assert [(row["patient_id"], row["recording"]) for row in table] == [
            (row["patient_id"], row["recording"]) for row in original
        ]
        assert sorted(row["label"] for row in table) == sorted(row["label"] for row in original)
        assert [row["label"] for row in table] != [row["label"] for row in original]
    assert tables[0] == tables[1] != tables[2]
