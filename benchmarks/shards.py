"""Reading shards into one tensor, against memcpy and the usual formats; and the memory of four processes.

    python -m benchmarks.shards --data FOLDER      # the MIT-BIH Arrhythmia Database in FOLDER/mitdb, minutes
    python -m benchmarks.shards --quick            # random images, under a minute

Every contender fills a new uint8 tensor with all images, from a warm page cache, single-threaded if it has
that option. `ours_sha256` also verifies every shard, as a process does when it first opens a set. The last
line is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.provenance import provenance
from crtcore.config import Experiment
from crtcore.data.loader import load_images
from crtcore.data.prepare import arrhythmia_set, run_prepare
from crtcore.data.recording_shard import SHARD_FILE
from crtcore.data.shards import encode_shard, read_shard
from crtcore.data.sources import Sources, arrhythmia_sources
from crtcore.signal.recording import Beats
from crtcore.signal.spectrogram import IMAGE_SHAPE
from crtcore.stages.stage import Stage, StageKey
from crtcore.stages.store import StageStore

GOAL = 0.70
ROUNDS = 9
PEER_ROUNDS = 3  # slow contenders run in the first rounds only
NUM_PROCESSES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--quick", action="store_true", help="24,000 random images instead of the database")
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.quick:
        parser.error("give --data or --quick")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="crtsearch-bench-") as name:
        folder = Path(name)
        os.environ |= {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
        store = StageStore(str(folder / "storage"), cache=folder / "cache")
        stage = _random_set(store) if arguments.quick else _real_set(store, arguments.data)
        report = {
            **provenance("shards"),
            "data": "random images" if arguments.quick else "MIT-BIH Arrhythmia Database, both leads",
            "threads": 1,
            **_sharing(store, stage),
            **_resident(store, stage, folder),
        }
    print(json.dumps(report))


def _real_set(store: StageStore, data: Path) -> Stage:
    experiment = Experiment.model_validate(
        {"name": "shards", "data": data, "arrhythmia": {"database": "mitdb"}, "cohort": {"manifest": "none"}}
    )
    sources = Sources(arrhythmia=arrhythmia_sources(experiment), cohort=(), patients=(), cohort_leads=())
    shards = arrhythmia_set(experiment, sources)
    run_prepare(store, shards)
    return shards.stage


def _random_set(store: StageStore, num_shards: int = 8, num_beats: int = 1500) -> Stage:
    """Shards as `prepare` commits them, with random images: reading does not depend on the content."""
    generator = np.random.default_rng(0)
    entries = []
    for record in range(num_shards):
        sample_B = np.arange(num_beats, dtype=np.int64) * 300
        second_B = np.ones(num_beats, dtype=np.float32)
        content = encode_shard(
            patient_id=f"{record}",
            record_id=f"{record}",
            leads=("MLII", "V1"),
            beats=Beats(
                r_sample_B=sample_B,
                start_B=sample_B,
                stop_B=sample_B + 300,
                rr_previous_s_B=second_B,
                rr_next_s_B=second_B,
                rr_ratio_B=second_B,
                symbol_B=np.full(num_beats, "N"),
            ),
            label_B=np.zeros(num_beats, dtype=np.int64),
            amplitude_mv_BC=np.ones((num_beats, 2), np.float32),
            image_BCFT=generator.integers(0, 256, (num_beats, 2, *IMAGE_SHAPE), dtype=np.uint8),
        )
        shard = Stage(name="shard", config={"record": record}, inputs=(), version=0)
        store.commit(shard, {SHARD_FILE: content}, {})
        entries.append({"digest": shard.digest})
    stage = Stage(name="prepare", config={"set": "random"}, inputs=(), version=0)
    store.commit(stage, {}, {"shards": entries, "leads": ["MLII", "V1"]})
    return stage


def _resident(store: StageStore, stage: Stage, folder: Path) -> dict[str, object]:
    manifest = store.find(stage)
    assert manifest is not None
    keys = [StageKey(name="shard", digest=entry["digest"]) for entry in manifest.facts["shards"]]
    paths = [store.path(key, SHARD_FILE) for key in keys]
    reference = _from_shards(paths)
    contenders: dict[str, Callable[[], torch.Tensor]] = {
        "memcpy": lambda: _memcpy(reference),
        "ours": lambda: _from_shards(paths),
        "ours_sha256": lambda: _from_shards(_verified(store, keys)),
        "arrow_list_parquet": _write_list_parquet(reference, folder / "list.parquet"),
        "hdf5": _write_hdf5(reference, folder / "images.h5"),
        "hf_datasets": _write_datasets(reference, folder / "datasets"),
    }
    for name, read in contenders.items():  # also warms the page cache
        assert torch.equal(read(), reference), f"{name} reads other images"
    wall_s: dict[str, list[float]] = {name: [] for name in contenders}
    cpu_s: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS):
        for name, read in contenders.items():
            if number >= PEER_ROUNDS and name not in ("memcpy", "ours", "ours_sha256"):
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            tensor = read()
            wall_s[name].append(time.perf_counter() - wall)
            cpu_s[name].append(time.process_time() - cpu)
            del tensor
    gigabytes = reference.numel() / 1e9
    fraction = _ratio(wall_s["memcpy"], wall_s["ours"])
    return {
        "num_images": len(reference),
        "gigabytes": round(gigabytes, 3),
        "rounds": ROUNDS,
        "peer_rounds": PEER_ROUNDS,
        "wall_s": {name: round(statistics.median(values), 3) for name, values in wall_s.items()},
        "cpu_s": {name: round(statistics.median(values), 3) for name, values in cpu_s.items()},
        "gigabytes_per_s": {
            name: round(gigabytes / statistics.median(values), 3) for name, values in wall_s.items()
        },
        "fraction_of_memcpy": round(fraction, 3),
        "fraction_of_memcpy_cpu": round(_ratio(cpu_s["memcpy"], cpu_s["ours"]), 3),
        "fraction_of_memcpy_sha256": round(_ratio(wall_s["memcpy"], wall_s["ours_sha256"]), 3),
        "goal": GOAL,
        "goal_met": fraction >= GOAL,
    }


def _ratio(memcpy_s: list[float], ours_s: list[float]) -> float:
    """The median over rounds of memcpy's time / our time: in one round, both have the same machine load."""
    return statistics.median(a / b for a, b in zip(memcpy_s, ours_s, strict=True))


def _memcpy(reference: torch.Tensor) -> torch.Tensor:
    tensor = torch.empty_like(reference)
    np.copyto(tensor.numpy(), reference.numpy())
    return tensor


def _verified(store: StageStore, keys: list[StageKey]) -> list[Path]:
    fresh = StageStore(store.uri, cache=store.cache)
    return [fresh.path(key, SHARD_FILE) for key in keys]


def _from_shards(paths: list[Path]) -> torch.Tensor:
    shards = [read_shard(path).image_NFT for path in paths]
    tensor = torch.empty((sum(map(len, shards)), *IMAGE_SHAPE), dtype=torch.uint8)
    np.concatenate(shards, out=tensor.numpy())
    return tensor


def _write_list_parquet(reference: torch.Tensor, path: Path) -> Callable[[], torch.Tensor]:
    """The result of `pa.table({"image": list_of_arrays})`: list<uint8>, written with pyarrow's defaults."""
    flat = reference.numpy().reshape(-1)
    size = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]
    with pq.ParquetWriter(path, pa.schema([("image", pa.list_(pa.uint8()))])) as writer:
        for start in range(0, len(reference), 5000):
            part = flat[start * size : (start + 5000) * size]
            offsets = np.arange(0, len(part) + 1, size, dtype=np.int32)
            writer.write_table(pa.table({"image": pa.ListArray.from_arrays(offsets, pa.array(part))}))

    def read() -> torch.Tensor:
        tensor = torch.empty_like(reference)
        into = tensor.numpy().reshape(-1)
        position = 0
        for chunk in pq.read_table(path, use_threads=False)["image"].chunks:
            values = chunk.flatten().to_numpy()
            into[position : position + len(values)] = values
            position += len(values)
        return tensor

    return read


def _write_hdf5(reference: torch.Tensor, path: Path) -> Callable[[], torch.Tensor]:
    """One contiguous dataset, read directly into the tensor: the fastest way with HDF5."""
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=reference.numpy())

    def read() -> torch.Tensor:
        tensor = torch.empty_like(reference)
        with h5py.File(path) as file:
            file["image"].read_direct(tensor.numpy())
        return tensor

    return read


def _write_datasets(reference: torch.Tensor, folder: Path) -> Callable[[], torch.Tensor]:
    """Hugging Face `datasets`: Array2D(uint8) on disk, read in batches in its torch format."""
    import datasets  # not at the top: on import, it reads its settings from the environment

    features = datasets.Features({"image": datasets.Array2D(shape=IMAGE_SHAPE, dtype="uint8")})
    batch = 1000
    with datasets.arrow_writer.ArrowWriter(features=features, path=str(folder) + ".arrow") as writer:
        for start in range(0, len(reference), batch):
            writer.write_batch({"image": list(reference[start : start + batch].numpy())})
        writer.finalize()

    def read() -> torch.Tensor:
        dataset = datasets.Dataset.from_file(str(folder) + ".arrow").with_format("torch")
        tensor = torch.empty_like(reference)
        for start in range(0, len(dataset), batch):
            tensor[start : start + batch] = dataset[start : start + batch]["image"]
        return tensor

    return read


def _sharing(store: StageStore, stage: Stage) -> dict[str, object]:
    """Four processes start together on an empty cache, map the set with `load_images` and read every page."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    barrier = context.Barrier(NUM_PROCESSES)
    processes = [
        context.Process(target=_map_and_measure, args=(store.uri, store.cache, stage, barrier, results))
        for _ in range(NUM_PROCESSES)
    ]
    for process in processes:
        process.start()
    measured = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return {
        "sharing": {
            "processes": NUM_PROCESSES,
            "set_bytes": measured[0]["set_bytes"],
            "pss_bytes_sum": sum(result["pss"] for result in measured),
            "rss_bytes_sum": sum(result["rss"] for result in measured),
            "num_copies": round(sum(result["pss"] for result in measured) / measured[0]["set_bytes"], 3),
            "load_images_warm_s": round(statistics.median(result["warm_s"] for result in measured), 3),
        }
    }


def _map_and_measure(uri: str, cache: Path, stage: Stage, barrier, results) -> None:  # type: ignore[no-untyped-def]
    barrier.wait()
    images = load_images(StageStore(uri, cache=cache), stage)
    int(images.image_NFT.max())  # reads every page
    barrier.wait()
    pss, rss = _mapped_bytes(".u8")
    barrier.wait()
    start = time.perf_counter()
    again = load_images(StageStore(uri, cache=cache), stage)
    warm_s = time.perf_counter() - start
    results.put({"set_bytes": again.image_NFT.nbytes, "pss": pss, "rss": rss, "warm_s": warm_s})


def _mapped_bytes(suffix: str) -> tuple[int, int]:
    """The proportional and the resident size in bytes of this process's mappings of such files."""
    pss = rss = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.removesuffix(" (deleted)").endswith(suffix)
        elif inside and line.startswith("Pss:"):
            pss += int(line.split()[1]) * 1024
        elif inside and line.startswith("Rss:"):
            rss += int(line.split()[1]) * 1024
    return pss, rss


if __name__ == "__main__":
    main()
