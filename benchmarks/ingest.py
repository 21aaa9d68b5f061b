"""From raw records to images on disk: our `prepare` against two scripts with the usual libraries.

    python -m benchmarks.ingest --data FOLDER            # all 48 records, both leads; about 10 CPU minutes
    python -m benchmarks.ingest --data FOLDER --quick    # 4 records, about a minute

FOLDER is the MIT-BIH Arrhythmia Database. Each contender runs in its own process, one after another. It reads
the records, detects R peaks on the first lead and writes one 64 x 64 image per beat and lead to Parquet.

    ours      `prepare` of crtcore with detected R peaks (and again with annotated ones), into an empty store.
              It includes the high-pass filter, labels, RR intervals, SHA-256 of sources and shards, and
              fsync.
    naive     wfdb.rdrecord, wfdb xqrs, and one scipy ShortTimeFFT per beat
    sensible  wfdb.rdrecord, sleepecg's detector, and one scipy.signal.stft per beat

Imports are not counted, but loading Numba's cached machine code is. On a busy machine, --naive-records
shortens the longest run. Its time is then scaled by the number of images, and the JSON says so. The last line
is one JSON object.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.provenance import provenance

GOALS = {"ratio_naive": 50.0, "ratio_sensible": 5.0, "peak_gb": 1.5}
QUICK_RECORDS = ("100", "109", "207", "228")
SAMPLING_RATE_HZ = 360.0
SIZE = 64
WINDOW_LENGTH = 64
N_FFT = 512
RANGE_DB = 80.0

Spectrogram = Callable[[npt.NDArray[np.float64], int], npt.NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the MIT-BIH Arrhythmia Database")
    parser.add_argument("--quick", action="store_true", help=f"records {', '.join(QUICK_RECORDS)} only")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of ours; the median is used")
    parser.add_argument("--naive-records", type=int, help="number of records for `naive`; default: all")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        records = _records(arguments.data, arguments.quick)
        num_records = min(arguments.naive_records or len(records), len(records))
        chosen = records[:: len(records) // num_records][:num_records]
        print(json.dumps(_measured(arguments.contender, arguments.data, chosen)))
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    options = ["--data", str(arguments.data), *(["--quick"] if arguments.quick else [])]
    _in_own_process("ours", [*options, "--quick"])  # Numba compiles once per machine, not once per run
    for number in range(arguments.rounds):
        for name in CONTENDERS:
            if number > 0 and not name.startswith("ours"):
                continue
            subset = ["--naive-records", str(arguments.naive_records)] if arguments.naive_records else []
            run = _in_own_process(name, options + (subset if name == "naive" else []))
            print(name, run, file=sys.stderr)
            runs[name].append(run)
    result = {
        name: sorted(values, key=lambda run: run["cpu_s"])[len(values) // 2] for name, values in runs.items()
    }
    report: dict[str, object] = {
        **provenance("ingest"),
        "rounds_ours": arguments.rounds,
        **result,
    }
    naive, ours = result["naive"], result["ours"]
    scale = {"naive": ours["num_images"] / naive["num_images"], "sensible": 1.0}
    if naive["num_records"] < ours["num_records"]:
        report["naive_scaled"] = (
            f"naive ran on {naive['num_records']} of {ours['num_records']} records (see its numbers above); "
            f"its ratios are multiplied by {scale['naive']:.3f}, our number of images divided by its number"
        )
    else:
        scale["naive"] = 1.0
    ratios = {}
    for peer, factor in scale.items():
        for key, base, unit in (
            (f"ratio_{peer}", "ours", "cpu_s"),
            (f"ratio_{peer}_wall", "ours", "wall_s"),
            (f"ratio_{peer}_annotated", "ours_annotated", "cpu_s"),
        ):
            ratios[key] = round(factor * result[peer][unit] / result[base][unit], 2)
    met = {name: ratios[name] >= GOALS[name] for name in ("ratio_naive", "ratio_sensible")}
    met["peak_gb"] = ours["peak_gb"] < GOALS["peak_gb"]
    print(json.dumps(report | ratios | {"goals": GOALS, "goals_met": met}))


def _in_own_process(contender: str, options: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest", "--contender", contender, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _records(database: Path, quick: bool) -> tuple[str, ...]:
    return QUICK_RECORDS if quick else tuple(sorted(path.stem for path in database.glob("*.hea")))


def _measured(contender: str, database: Path, records: tuple[str, ...]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="crtsearch-bench-") as folder:
        run = CONTENDERS[contender](database, records, Path(folder))  # its imports are not counted
        wall, cpu = time.perf_counter(), time.process_time()
        num_images = run()
        return {
            "cpu_s": round(time.process_time() - cpu, 2),
            "wall_s": round(time.perf_counter() - wall, 2),
            "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3),
            "num_records": len(records),
            "num_images": num_images,
        }


def _ours(r_peaks: str) -> Callable[[Path, tuple[str, ...], Path], Callable[[], int]]:
    def make(database: Path, records: tuple[str, ...], folder: Path) -> Callable[[], int]:
        from crtcore.config import Experiment
        from crtcore.data.prepare import arrhythmia_set, run_prepare
        from crtcore.data.sources import Sources, arrhythmia_sources
        from crtcore.stages.store import StageStore

        experiment = Experiment.model_validate(
            {
                "name": "ingest",
                "arrhythmia": {"database": database, "records": records, "r_peaks": r_peaks},
                "cohort": {"manifest": "none"},
            }
        )

        def run() -> int:
            store = StageStore(str(folder / "storage"), cache=folder / "cache")
            recordings = arrhythmia_sources(experiment)
            sources = Sources(arrhythmia=recordings, cohort=(), patients=(), cohort_leads=())
            shards = arrhythmia_set(experiment, sources)
            run_prepare(store, shards)
            manifest = store.find(shards.stage)
            assert manifest is not None
            num_images: int = manifest.facts["num_images"]
            return num_images

        return run

    return make


def _naive(database: Path, records: tuple[str, ...], folder: Path) -> Callable[[], int]:
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hamming
    from wfdb.processing import xqrs_detect

    def spectrogram(segment_S: npt.NDArray[np.float64], hop: int) -> npt.NDArray[np.float64]:
        window = hamming(WINDOW_LENGTH, sym=False)
        transform = ShortTimeFFT(window, hop=hop, fs=SAMPLING_RATE_HZ, mfft=N_FFT)
        first = -(-WINDOW_LENGTH // (2 * hop))  # frame p is centred on sample p * hop: the first whole one
        power_FT: npt.NDArray[np.float64] = transform.spectrogram(segment_S, p0=first, p1=first + SIZE)
        return power_FT[:SIZE]

    def detect(signal_S: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        peaks: npt.NDArray[np.int64] = xqrs_detect(signal_S, fs=SAMPLING_RATE_HZ, verbose=False)
        return peaks

    return _peer(database, records, folder, detect, spectrogram)


def _sensible(database: Path, records: tuple[str, ...], folder: Path) -> Callable[[], int]:
    import sleepecg
    from scipy.signal import stft

    def spectrogram(segment_S: npt.NDArray[np.float64], hop: int) -> npt.NDArray[np.float64]:
        _, _, value_FT = stft(
            segment_S,
            SAMPLING_RATE_HZ,
            "hamming",
            nperseg=WINDOW_LENGTH,
            noverlap=WINDOW_LENGTH - hop,
            nfft=N_FFT,
            boundary=None,
            padded=False,
        )
        power_FT: npt.NDArray[np.float64] = np.abs(value_FT[:SIZE, :SIZE]) ** 2
        return power_FT

    def detect(signal_S: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        peaks: npt.NDArray[np.int64] = sleepecg.detect_heartbeats(signal_S, SAMPLING_RATE_HZ)
        return peaks

    return _peer(database, records, folder, detect, spectrogram)


def _peer(
    database: Path,
    records: tuple[str, ...],
    folder: Path,
    detect: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.int64]],
    spectrogram: Spectrogram,
) -> Callable[[], int]:
    """A script that writes the images of all beats, from 0.4 RR before to 0.8 RR after each detected peak.

    Half a window is added on both sides, and the hop gives 64 frames. Images are uncompressed and of fixed
    size, which is the cheapest layout.
    """
    import wfdb

    def run() -> int:
        num_images = 0
        for name in records:
            signal_SC = wfdb.rdrecord(str(database / name)).p_signal
            peaks = detect(np.ascontiguousarray(signal_SC[:, 0]))
            images = []
            for before, peak, after in zip(peaks[:-2], peaks[1:-1], peaks[2:], strict=True):
                rr = (after - before) / 2
                hop = max(1, round(1.2 * rr / SIZE))
                start = round(peak - 0.4 * rr) - WINDOW_LENGTH // 2
                stop = start + (SIZE - 1) * hop + WINDOW_LENGTH
                if start < 0 or stop > len(signal_SC):
                    continue
                for signal_S in signal_SC[start:stop].T:
                    power_FT = spectrogram(signal_S, hop)
                    level_db = 10 * np.log10(np.maximum(power_FT, 1e-30))
                    grey = 255 * (1 + (level_db - level_db.max()) / RANGE_DB)
                    images.append(np.clip(np.rint(grey), 0, 255).astype(np.uint8).tobytes())
            table = pa.table({"image": pa.array(images, pa.binary(SIZE * SIZE))})
            pq.write_table(table, folder / f"{name}.parquet", compression="none", use_dictionary=False)
            assert all(len(image) == SIZE * SIZE for image in images)
            num_images += len(images)
        return num_images

    return run


CONTENDERS = {
    "ours": _ours("detected"),
    "ours_annotated": _ours("annotated"),
    "naive": _naive,
    "sensible": _sensible,
}

if __name__ == "__main__":
    main()
