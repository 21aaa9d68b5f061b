"""Classify heartbeats of the MIT-BIH Arrhythmia Database, in new patients and in a random split.

    python -m benchmarks.arrhythmia --data FOLDER            # FOLDER/mitdb; under an hour on two cores
    python -m benchmarks.arrhythmia --data FOLDER --quick    # a few beats per record, a minute or two

Runs configs/mitbih_inter.yaml (trained on DS1, scored on DS2) and configs/mitbih_intra.yaml. The first has
the network on images, the model of rhythm and amplitude, the model of how a beat's image differs from its
record's, and the three fused: `fused` at the true class shares, `decided` with the settings that were best
within DS1. With --storage FOLDER, finished stages are kept, and an interrupted run resumes. The last line is
one JSON object.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.late_fusion.late_fusion import (
    MODELS,
    committed_fusion,
    fusion_stage,
    network_stages,
    run_fusion,
)
from benchmarks.provenance import provenance
from crtcore.config import Experiment
from crtcore.configfile import load_experiment
from crtcore.data.prepare import arrhythmia_set, run_prepare
from crtcore.data.sources import Sources, arrhythmia_sources
from crtcore.pipeline import open_store
from crtcore.stages.stage import JSON, Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import use_device
from crtcore.training.engine.history import EpochReport
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain

QUICK = [
    "arrhythmia.max_beats_per_record=20",
    "pretrain.images_per_epoch=200",
    "pretrain.epochs=1",
    "resources.trial.cpus=1",
]
GOALS = {"macro_f1": 0.60, "v_f1": 0.87, "intra_accuracy": 0.985}
SIDE_BY_SIDE = (*MODELS, "fused", "decided")
WHY_THEY_DIFFER = (
    "A random split trains on other beats of the same patients, and the beats of a patient are alike. In "
    "another patient, the same class looks different, and another rhythm is normal."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds mitdb/")
    parser.add_argument("--quick", action="store_true", help="a few beats per record, one epoch")
    parser.add_argument("--storage", type=Path, help="keep the stages here (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crtsearch-bench-") as name:
        storage = arguments.storage or Path(name, "storage")
        settings = [f"data={arguments.data}", f"storage={storage}", f"cache={Path(name, 'cache')}"]
        settings += QUICK if arguments.quick else []
        inter_s, inter = _inter(load_experiment("mitbih_inter", settings))
        intra = _intra(load_experiment("mitbih_intra", settings))
    reached = {
        "macro_f1": inter["decided"]["macro_f1"],
        "v_f1": inter["decided"]["classes"]["V"]["f1"],
        "intra_accuracy": intra["accuracy"],
    }
    report = {
        **provenance("arrhythmia"),
        "inter_patient_minutes": round(inter_s / 60, 1),
        "goals": GOALS,
        "reached": reached,
        "goals_met": all((reached[name] or 0) >= goal for name, goal in GOALS.items()),
        "macro_f1": {name: inter[name]["macro_f1"] for name in SIDE_BY_SIDE},
        "v_f1": {name: inter[name]["classes"]["V"]["f1"] for name in SIDE_BY_SIDE},
        "inter_patient": inter,
        "intra_patient": intra,
        "why_they_differ": WHY_THEY_DIFFER,
    }
    print(json.dumps(report))


def _inter(experiment: Experiment) -> tuple[float, dict[str, JSON]]:
    """The seconds, with those of networks that an earlier run has trained, and the facts."""
    start_s = time.monotonic()
    store, arrhythmia = _prepared(experiment)
    networks = [store.find(stage) for stage in network_stages(experiment, arrhythmia)]
    found_s = sum(network.facts["seconds"] for network in networks if network is not None)
    stage = fusion_stage(experiment, arrhythmia)
    _show(run_fusion(store, stage, experiment, arrhythmia, use_device(experiment.resources.trial)))
    return found_s + time.monotonic() - start_s, dict(committed_fusion(store, stage).facts)


def _intra(experiment: Experiment) -> dict[str, JSON]:
    store, arrhythmia = _prepared(experiment)
    stage = pretrain_stage(experiment, arrhythmia)
    _show(run_pretrain(store, stage, experiment, arrhythmia, use_device(experiment.resources.trial)))
    manifest = store.find(stage)
    assert manifest is not None
    return dict(manifest.facts["figures"])


def _prepared(experiment: Experiment) -> tuple[StageStore, Stage]:
    sources = Sources(arrhythmia=arrhythmia_sources(experiment), cohort=(), patients=(), cohort_leads=())
    store = open_store(experiment)
    shards = arrhythmia_set(experiment, sources)
    run_prepare(store, shards)
    return store, shards.stage


def _show(reports: Iterable[EpochReport]) -> None:
    for report in reports:
        metrics = ", ".join(f"{name} {value:.3f}" for name, value in report.metrics.items())
        print(
            f"{report.stage} epoch {report.epoch}/{report.num_epochs}: {metrics} ({report.seconds:.0f} s)",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
