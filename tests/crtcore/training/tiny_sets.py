"""Tiny prepared sets, committed as `prepare` commits them, with drawn images and without recordings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from crtcore.config import Experiment
from crtcore.data.recording_shard import SHARD_FILE
from crtcore.data.shards import encode_shard
from crtcore.signal.beats import aami_labels
from crtcore.signal.recording import Beats
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore

CPU = torch.device("cpu")
LEADS = ("I", "V1")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A store that holds both prepared sets."""

    store: StageStore
    arrhythmia: Stage
    cohort: Stage


@dataclass(frozen=True, kw_only=True)
class Source:
    """One simulated recording. `level_B` is where each beat's images have a bright band, from 0 to 1."""

    patient_id: str
    record_id: str
    label: int
    symbol_B: list[str]
    level_B: list[float]


def commit_set(store: StageStore, name: str, sources: list[Source]) -> Stage:
    shards = []
    for source in sources:
        rng = np.random.default_rng(int.from_bytes(source.record_id.encode()))
        num_beats = len(source.symbol_B)
        image_BCFT = rng.integers(0, 90, (num_beats, len(LEADS), 64, 64), dtype=np.uint8)
        for beat, level in enumerate(source.level_B):
            row = round(50 * level)
            image_BCFT[beat, :, row : row + 12] += 120
        sample_B = np.arange(num_beats, dtype=np.int64) * 300
        second_B = np.full(num_beats, 0.8, dtype=np.float32)
        symbol_B = np.array(source.symbol_B, dtype=np.str_)
        beats = Beats(
            r_sample_B=sample_B,
            start_B=sample_B,
            stop_B=sample_B + 300,
            rr_previous_s_B=second_B,
            rr_next_s_B=second_B,
            rr_ratio_B=second_B,
            symbol_B=symbol_B,
        )
        content = encode_shard(
            patient_id=source.patient_id,
            record_id=source.record_id,
            leads=LEADS,
            beats=beats,
            label_B=aami_labels(symbol_B) if source.label < 0 else np.full(num_beats, source.label, np.int64),
            amplitude_mv_BC=np.ones(image_BCFT.shape[:2], np.float32),
            image_BCFT=image_BCFT,
        )
        shard = Stage(name="shard", config={"set": name, "record_id": source.record_id}, inputs=(), version=1)
        store.commit(shard, {SHARD_FILE: content}, {})
        shards.append({"digest": shard.digest})
    stage = Stage(name="prepare", config={"set": name}, inputs=tuple(s["digest"] for s in shards), version=1)
    store.commit(stage, {}, {"shards": shards, "leads": list(LEADS), "folds": None})
    return stage


def experiment_with(*, seed: int = 0, pretrain: dict[str, Any] | None = None, **finetune: Any) -> Experiment:
    """An experiment that runs in seconds. Keywords are settings of `finetune`."""
    return Experiment.model_validate(
        {
            "name": "tiny",
            "seed": seed,
            "arrhythmia": {"database": "mitdb"},
            "cohort": {"manifest": "cohort.csv"},
            "pretrain": {"epochs": 2, "batch_size": 20, **(pretrain or {})},
            "finetune": {"epochs": 3, "batch_size": 12, "folds": 2, "frozen_groups": 5, **finetune},
        }
    )
