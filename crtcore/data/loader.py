"""A prepared set -> one memory-mapped array of images, shared by all processes of a node.

The first process of a node that needs a set verifies its shards and copies them into one file in the cache
folder, named by the digest of the set. The others compare that file with the shards, map it and share its
pages in memory.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from crtcore.data.recording_shard import SHARD_FILE
from crtcore.data.shards import MEASURES, ShardRows, read_shard
from crtcore.errors import StorageError
from crtcore.signal.recording import FloatArray, IntArray, StrArray
from crtcore.signal.spectrogram import IMAGE_SHAPE
from crtcore.stages.atomic import atomically
from crtcore.stages.stage import Stage, StageKey
from crtcore.stages.store import StageStore
from crtcore.stages.trouble import trouble_at


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """All images of a prepared set, beat by beat: `image_NFT.reshape(num_beats, num_leads, 64, 64)` is valid.

    `image_NFT` is uint8, read-only and mapped. `lead_N` indexes `leads`, and `beat_N` numbers the beats of
    the whole set. `label_N` is the outcome (0 or 1) in a cohort, and the AAMI class index (-1: none) in an
    arrhythmia set. `symbol_N` is the reference label or "". `rr_ratio_N` is the previous RR interval over the
    local mean, and `amplitude_mv_N` is the peak-to-peak amplitude of the beat in its lead.
    """

    image_NFT: npt.NDArray[np.uint8]
    patient_N: StrArray
    record_N: StrArray
    lead_N: IntArray
    beat_N: IntArray
    symbol_N: StrArray
    label_N: IntArray
    rr_previous_s_N: FloatArray
    rr_next_s_N: FloatArray
    rr_ratio_N: FloatArray
    amplitude_mv_N: FloatArray
    leads: tuple[str, ...]

    @property
    def num_images(self) -> int:
        return len(self.image_NFT)

    @property
    def num_beats(self) -> int:
        return int(self.beat_N[-1]) + 1

    @property
    def num_patients(self) -> int:
        return len(np.unique(self.patient_N))


def load_images(store: StageStore, stage: Stage) -> ImageSet:
    """The images and labels of a committed `prepare` stage.

    Raises StorageError if the set is not committed or a shard is damaged.
    """
    manifest = store.find(stage)
    if manifest is None:
        raise StorageError(
            f"{stage} is not prepared in {store.uri}; run `crtsearch prepare` with the same config"
        )
    try:
        shards = [
            read_shard(store.path(StageKey(name="shard", digest=entry["digest"]), SHARD_FILE))
            for entry in manifest.facts["shards"]
        ]
    except StorageError:
        # The next `run_prepare` checks every shard again and rebuilds the damaged one.
        store.discard(stage)
        raise
    leads = tuple(manifest.facts["leads"])
    lead_N = np.concatenate([shard.lead_N for shard in shards])
    new_beat_N = np.concatenate([_starts_beat(shard) for shard in shards])
    with trouble_at(f"cache {store.cache}"):
        image_NFT = _mapped(store.cache / "images" / f"{stage.digest}.u8", shards)
    return ImageSet(
        image_NFT=image_NFT,
        patient_N=np.concatenate([shard.patient_N for shard in shards]),
        record_N=np.concatenate([shard.record_N for shard in shards]),
        lead_N=_index_in(lead_N, leads),
        beat_N=np.cumsum(new_beat_N, dtype=np.int64) - 1,
        symbol_N=np.concatenate([shard.symbol_N for shard in shards]),
        label_N=np.concatenate([shard.label_N for shard in shards]),
        **{
            f"{name}_N": np.concatenate([getattr(shard, f"{name}_N") for shard in shards])
            for name in MEASURES
        },
        leads=leads,
    )


def _starts_beat(shard: ShardRows) -> npt.NDArray[np.bool_]:
    """Rows are sorted by beat, then lead, so a beat starts at each row of the shard's first lead."""
    starts_N: npt.NDArray[np.bool_] = shard.lead_N == shard.lead_N[0]
    return starts_N


def _index_in(lead_N: StrArray, leads: tuple[str, ...]) -> IntArray:
    known, inverse_N = np.unique(lead_N, return_inverse=True)
    return np.array([leads.index(name) for name in known], dtype=np.int64)[inverse_N]


def _mapped(path: Path, shards: list[ShardRows]) -> npt.NDArray[np.uint8]:
    if not _holds(path, shards):
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process of a node writes the file. The others wait for it.
        with FileLock(f"{path}.lock"):
            if not _holds(path, shards):
                with atomically(path) as draft, draft.open("wb") as stream:
                    for shard in shards:
                        stream.write(shard.image_NFT.data)
    return np.memmap(path, np.uint8, mode="r", shape=(_num_images(shards), *IMAGE_SHAPE))


def _holds(path: Path, shards: list[ShardRows]) -> bool:
    """Whether `path` holds the images of `shards`, byte for byte."""
    shape = (_num_images(shards), *IMAGE_SHAPE)
    if not path.is_file() or path.stat().st_size != math.prod(shape):
        return False
    image_NFT = np.memmap(path, np.uint8, mode="r", shape=shape)
    stop_of_shards = np.cumsum([len(shard.image_NFT) for shard in shards])
    return all(
        np.array_equal(image_NFT[stop - len(shard.image_NFT) : stop], shard.image_NFT)
        for stop, shard in zip(stop_of_shards, shards, strict=True)
    )


def _num_images(shards: list[ShardRows]) -> int:
    return sum(len(shard.image_NFT) for shard in shards)
