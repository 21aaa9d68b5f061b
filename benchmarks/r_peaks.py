"""R-peak detection against the reference beats of the MIT-BIH Arrhythmia Database, with four peers.

    python -m benchmarks.r_peaks --data FOLDER [--quick]

FOLDER holds the MIT-BIH Arrhythmia Database. Every detector gets the first channel of each record,
unfiltered. Flutter (record 207) is excluded. Our detector's constants were chosen on every second record of
the sorted list, from the first on; `der_heldout_half` is for the other records. `--quick` runs six records.
All 48 records with all peers take several minutes.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import neurokit2
import numpy as np
import numpy.typing as npt
import wfdb.processing
from sleepecg.heartbeats import detect_heartbeats

from benchmarks.ec57 import BeatScore, average, gross, score_beats
from benchmarks.provenance import provenance
from crtcore.signal.r_peaks import detect_r_peaks
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.signal.wfdb_reader import list_records, read_flutter_intervals, read_recording

Detector = Callable[[FloatArray, float], npt.ArrayLike]
QUICK_RECORDS = ("100", "105", "114", "203", "207", "228")


def gqrs(signal_S: FloatArray, sampling_rate_hz: float) -> npt.ArrayLike:
    """wfdb's version of gqrs from the WFDB software."""
    found: npt.ArrayLike = wfdb.processing.gqrs_detect(sig=signal_S.astype(float), fs=sampling_rate_hz)
    return found


def xqrs(signal_S: FloatArray, sampling_rate_hz: float) -> npt.ArrayLike:
    """wfdb's own detector."""
    found: npt.ArrayLike = wfdb.processing.xqrs_detect(
        sig=signal_S.astype(float), fs=sampling_rate_hz, verbose=False
    )
    return found


def neurokit(signal_S: FloatArray, sampling_rate_hz: float) -> npt.ArrayLike:
    """NeuroKit2's default cleaning and detector."""
    cleaned = neurokit2.ecg_clean(signal_S.astype(float), sampling_rate=int(sampling_rate_hz))
    found: npt.ArrayLike = neurokit2.ecg_peaks(cleaned, sampling_rate=int(sampling_rate_hz))[1]["ECG_R_Peaks"]
    return found


def sleepecg_c(signal_S: FloatArray, sampling_rate_hz: float) -> npt.ArrayLike:
    """sleepecg's variant of Pan-Tompkins, in C."""
    found: npt.ArrayLike = detect_heartbeats(signal_S.astype(float), fs=sampling_rate_hz, backend="c")
    return found


PEERS: dict[str, Detector] = {
    "wfdb gqrs": gqrs,
    "wfdb xqrs": xqrs,
    "NeuroKit2": neurokit,
    "sleepecg": sleepecg_c,
}


def percent(score: BeatScore) -> dict[str, float]:
    """The gross statistics in percent."""
    return {
        "sensitivity": round(100 * score.sensitivity, 3),
        "positive_predictivity": round(100 * score.positive_predictivity, 3),
        "der": round(100 * score.detection_error_rate, 3),
    }


def measure(
    detector: Detector, folder: Path, records: Sequence[str], heldout: Sequence[str]
) -> dict[str, Any]:
    """All statistics of one detector. `cpu_s` is the CPU time of detection only."""
    scores: dict[str, list[BeatScore]] = {"150 ms": [], "50 ms": [], "from 5:00": []}
    cpu_s = 0.0
    for record in records:
        recording = read_recording(folder / record, annotated=True)
        assert recording.annotation is not None
        began = time.process_time()
        found = detector(recording.signal_CS[0], recording.sampling_rate_hz)
        cpu_s += time.process_time() - began
        detected_B: IntArray = np.unique(np.asarray(found).astype(np.int64))
        excluded = read_flutter_intervals(folder / record)
        for name, window_s, start_s in (
            ("150 ms", 0.15, 0.0),
            ("50 ms", 0.05, 0.0),
            ("from 5:00", 0.15, 300.0),
        ):
            scores[name].append(
                score_beats(
                    recording.annotation.sample_B,
                    detected_B,
                    sampling_rate_hz=recording.sampling_rate_hz,
                    window_s=window_s,
                    start_s=start_s,
                    excluded=excluded,
                )
            )
    pooled = gross(scores["150 ms"])
    return percent(pooled) | {
        "der_heldout_half": percent(
            gross(
                [score for score, record in zip(scores["150 ms"], records, strict=True) if record in heldout]
            )
        )["der"],
        "false_negatives": pooled.false_negatives,
        "false_positives": pooled.false_positives,
        "num_beats": pooled.num_reference,
        "average": {name: round(100 * value, 3) for name, value in average(scores["150 ms"]).items()},
        "at_50_ms": percent(gross(scores["50 ms"])),
        "from_5_min": percent(gross(scores["from 5:00"])),
        "cpu_s": round(cpu_s, 2),
    }


def time_ratio(one: Detector, other: Detector, folder: Path, records: Sequence[str]) -> float:
    """The CPU time of `one` divided by that of `other`: for each record, the fastest of 3 runs."""
    fastest_s = {one: 0.0, other: 0.0}
    for record in records:
        recording = read_recording(folder / record)
        taken_s: dict[Detector, list[float]] = {one: [], other: []}
        for _ in range(3):
            for detector in (one, other):
                began = time.process_time()
                detector(recording.signal_CS[0], recording.sampling_rate_hz)
                taken_s[detector].append(time.process_time() - began)
        for detector in (one, other):
            fastest_s[detector] += min(taken_s[detector])
    return fastest_s[one] / fastest_s[other]


def main() -> None:
    """Run our detector, then the peers, and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the MIT-BIH Arrhythmia Database")
    parser.add_argument("--quick", action="store_true", help="six records only")
    arguments = parser.parse_args()
    all_records = list_records(arguments.data)
    records, heldout = QUICK_RECORDS if arguments.quick else all_records, all_records[1::2]
    warnings.simplefilter("ignore")  # from the peers
    warm_up = read_recording(arguments.data / records[0]).signal_CS[0, :20_000]
    detect_r_peaks(warm_up, 360.0)  # compile and load before the time is measured
    sleepecg_c(warm_up, 360.0)
    result = measure(detect_r_peaks, arguments.data, records, heldout)
    peers = {}
    for name, peer in PEERS.items():
        peers[name] = measure(peer, arguments.data, records, heldout)
        print(f"{name}: {json.dumps(peers[name])}", flush=True)
    result["peers"] = peers
    result["time_ratio_to_sleepecg"] = round(
        time_ratio(detect_r_peaks, sleepecg_c, arguments.data, records), 2
    )
    result["num_records"] = len(records)
    print(json.dumps(result | provenance("r_peaks")))


if __name__ == "__main__":
    main()
