"""All stages on small simulated data: run in order, shared between trials, resumed after any interruption."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data import recording_shard
from crtcore.data.loader import load_images
from crtcore.data.recording_shard import ShardJob
from crtcore.data.sources import Source
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import open_store, plan, prepare, read_sources, run_trial
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.features import load_activations

CPU = torch.device("cpu")


def run(experiment: Experiment, *, stop_after: int | None = None) -> list[tuple[str, int, dict[str, float]]]:
    """The reports of one trial in a fresh store, cut off after `stop_after` as a killed process would be."""
    reports = []
    stages = plan(experiment, read_sources(experiment))
    for report in run_trial(open_store(experiment), experiment, stages, CPU):
        reports.append((report.stage, report.epoch, dict(report.metrics)))
        if len(reports) == stop_after:
            break
    return reports


def oof(experiment: Experiment) -> dict[str, list[object]]:
    stages = plan(experiment, read_sources(experiment))
    table: dict[str, list[object]] = pq.read_table(
        open_store(experiment).path(stages.finetune, "oof.parquet")
    ).to_pydict()
    return table


def test_stages_run_in_order_and_each_patient_is_scored_once(tiny: Experiment) -> None:
    reports = run(tiny)
    assert [(stage, epoch) for stage, epoch, _ in reports] == [
        ("pretrain", 1),
        ("features", 1),
        ("finetune", 1),
        ("finetune", 2),
    ]
    assert 0 <= reports[-1][2]["auc"] <= 1
    scores = oof(tiny)
    assert len(scores["patient_id"]) == len(set(map(str, scores["patient_id"]))) == 12
    assert all(0 <= float(str(score)) <= 1 for score in scores["score"])


def test_a_finished_trial_is_read_from_the_store(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tiny)

    def refuse(*_: object) -> None:
        raise AssertionError("a finished stage was built again")

    monkeypatch.setattr(StageStore, "commit", refuse)
    again = run(tiny)
    assert again == [report for report in first if report[0] == "finetune"]


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_an_interrupted_trial_ends_like_one_that_was_not(
    tiny: Experiment, tmp_path: Path, stop_after: int
) -> None:
    whole = tiny.model_copy(update={"storage": str(tmp_path / "whole")})
    expected = run(whole)
    run(tiny, stop_after=stop_after)
    resumed = run(tiny)
    assert [report for report in resumed if report[0] == "finetune"] == expected[2:]
    assert oof(tiny) == oof(whole)


def test_trials_share_the_stages_they_have_in_common(tiny: Experiment) -> None:
    sources = read_sources(tiny)
    base = plan(tiny, sources)

    def shared(**values: object) -> set[str]:
        changes = {key.replace("__", "."): value for key, value in values.items()}
        other = plan(override(tiny, changes), sources)
        return {stage.name for stage in base.shared if stage in other.shared}

    everything = {"prepare", "pretrain", "features"}
    assert shared(finetune__learning_rate=0.5, finetune__batch_size=8) == everything
    assert shared(finetune__frozen_groups=3) == everything - {"features"}
    assert shared(pretrain__depth=34) == {"prepare"}
    assert shared(spectrogram__window="hann") == set()
    assert shared(search__trials=99, resources__trial__cpus=2) == everything


def test_the_network_on_waveforms_runs_the_whole_line_beside_the_one_on_images(tiny: Experiment) -> None:
    sources, store = read_sources(tiny), open_store(tiny)
    flat = override(tiny, {"pretrain.architecture": "resnet1d", "finetune.frozen_groups": 3})
    reports = run(flat)
    assert [stage for stage, _, _ in reports] == ["pretrain", "features", "finetune", "finetune"]
    assert len(oof(flat)["score"]) == 12
    stages = plan(flat, sources)
    network = load_backbone(store.path(stages.pretrain, "model.safetensors"))
    assert (network.architecture, network.depth) == ("resnet1d", 18)
    assert stages.features is not None
    # 3 of 5 groups leave 1024 / 8 samples and 128 channels.
    assert load_activations(store, stages.features).shape == (12 * 2 * 2, 128, 128)
    waveforms = load_images(store, stages.cohort)
    sample_NS = waveforms.image_NFT.reshape(waveforms.num_images, -1).view(np.float32)
    assert np.shares_memory(sample_NS, waveforms.image_NFT)
    # In the recording's millivolts: no sample between two of the signal's is larger than both.
    np.testing.assert_allclose(np.ptp(sample_NS, axis=1), waveforms.amplitude_mv_N, rtol=0.1)

    of_images = plan(tiny, sources)
    prepare(store, of_images)
    assert not {stage.digest for stage in stages.shared} & {stage.digest for stage in of_images.shared}
    images = load_images(store, of_images.cohort)
    assert images.patient_N.tolist() == waveforms.patient_N.tolist()
    assert (images.image_NFT.reshape(images.num_images, -1).max(axis=1) == 255).all()
    # The window of a spectrogram is nothing to waveforms; what a beat is, is.
    hann, longer = ({"spectrogram.window": "hann"}, {"spectrogram.after_r_rr": 0.9})
    assert plan(override(flat, hann), sources) == stages
    assert plan(override(flat, longer), sources).cohort != stages.cohort
    assert plan(override(flat, {"pretrain.depth": 34}), sources).cohort == stages.cohort
    assert plan(override(flat, {"pretrain.depth": 34}), sources).pretrain != stages.pretrain


def test_shard_jobs_are_built_once_per_plan(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def counted(source: Source, experiment: Experiment, **settings: Any) -> ShardJob:
        built.append(source.record_id)
        return make_job(source, experiment, **settings)

    make_job = recording_shard._job
    monkeypatch.setattr(recording_shard, "_job", counted)
    store, sources = open_store(tiny), read_sources(tiny)
    stages = plan(tiny, sources)
    once = sorted(source.record_id for source in (*sources.arrhythmia, *sources.cohort))
    assert sorted(built) == once and len(once) == 4 + 12
    prepare(store, stages)
    assert len(list(run_trial(store, tiny, stages, CPU))) == 4
    assert sorted(built) == once
    assert {stage.digest for stage in stages.shards} == {path.name for path in shard_folders(tiny)}


def shard_folders(experiment: Experiment) -> list[Path]:
    return list(Path(experiment.storage, "stages", "shard").iterdir())


def test_nothing_is_frozen_without_features(tiny: Experiment) -> None:
    stages = plan(override(tiny, {"finetune.frozen_groups": 0}), read_sources(tiny))
    assert stages.features is None
    assert all(isinstance(stage, Stage) for stage in stages.shared)
