"""What is a search's winner worth elsewhere? Draws of 71 patients from PTB-XL, scored inside and outside.

    python -m benchmarks.external --data FOLDER           # FOLDER/mitdb, ptbxl500 and ludb: about two hours
    python -m benchmarks.external --data FOLDER --quick   # two small draws, a few minutes

Each draw (46 and 25 patients, as in the paper) is searched over a few candidates by 5-fold cross-validation.
What is exported is then scored inside, on PTB-XL's other patients, and outside, on LUDB: another country,
another machine, the same kind of label. Conduction disturbances stand in for CRT outcomes. The last line is
one JSON object.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outside.candidates import Candidate, Scored, score
from benchmarks.outside.exports import DrawResult, judge, summary
from benchmarks.outside.people import People, gather_people
from benchmarks.outside.search import candidates, pretrained_backbones
from benchmarks.provenance import provenance
from crtcore.config import Experiment
from crtcore.data.splits import Fold, patient_folds
from crtcore.seeding import child_seed

DRAWN = {1: 46, 0: 25}
NUM_FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of mitdb/, ptbxl500/ and ludb/")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--storage", type=Path, help="keep the stages here (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="two draws, few people, short training")
    arguments = parser.parse_args()
    num_draws = 2 if arguments.quick else arguments.draws
    with tempfile.TemporaryDirectory(prefix="crtsearch-bench-") as name:
        storage = arguments.storage or Path(name, "storage")
        experiment = _experiment(arguments.data, storage, Path(name, "cache"), arguments.quick)
        people = gather_people(
            arguments.data,
            max_beats=1 if arguments.quick else 2,
            num_patients=80 if arguments.quick else None,
            seed=experiment.seed,
        )
        found = candidates(people, pretrained_backbones(experiment), experiment.finetune)
        results = []
        for number in range(num_draws):
            results.append(_draw(people, found, number, experiment.seed, small=arguments.quick))
            last = results[-1]
            print(
                f"draw {number + 1}/{num_draws}: inside {last.inside}, outside {last.outside}",
                file=sys.stderr,
            )
    report: dict[str, Any] = {
        **provenance("external"),
        "num_inside": len(people.where("ptbxl500")),
        "num_outside": len(people.where("ludb")),
        "num_refused": len(people.refused),
        "draws": num_draws,
        "pretrain": experiment.pretrain.model_dump(mode="json"),
        "finetune": experiment.finetune.model_dump(mode="json"),
        **summary(results),
    }
    print(json.dumps(report))


def _experiment(data: Path, storage: Path, cache: Path, quick: bool) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "external",
            "data": data,
            "storage": str(storage),
            "cache": cache,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 10 if quick else 300},
            "cohort": {"manifest": "ptbxl500/cohort_71.csv", "max_beats_per_recording": 1},
            "pretrain": {"epochs": 1 if quick else 3, "images_per_epoch": 200 if quick else 10000},
            "finetune": {"epochs": 1 if quick else 4, "batch_size": 256},
        }
    )


def _draw(people: People, found: list[Candidate], number: int, seed: int, *, small: bool) -> DrawResult:
    everyone = people.where("ptbxl500")
    label_P = people.beats.label_P[everyone]
    rng = np.random.default_rng(child_seed(seed, "draw", number))
    drawn_P = np.sort(
        np.concatenate(
            [
                rng.choice(everyone[label_P == label], size // 2 if small else size, replace=False)
                for label, size in DRAWN.items()
            ]
        )
    )
    ids = np.array([f"{person:05}" for person in drawn_P])
    folds = [
        Fold(train_P=drawn_P[fold.train_P], test_P=drawn_P[fold.test_P])
        for fold in patient_folds(
            ids, people.beats.label_P[drawn_P], num_folds=NUM_FOLDS, seed=child_seed(seed, "folds", number)
        )
    ]
    scored: list[Scored] = [
        score(candidate, drawn_P, folds, child_seed(seed, "train", number)) for candidate in found
    ]
    return judge(people, drawn_P, folds, scored)


if __name__ == "__main__":
    main()
