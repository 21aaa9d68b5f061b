"""Damaged files: each is read, or ends in one `CrtError` of one line that names the file, soon and in little
memory; a damaged shard never reaches training.

Seeded, so that a failure comes again: the message names the file and the number of the case.
"""

import re
import resource
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.arrhythmia import arrhythmia_sources
from crtcore.data.cohort import cohort_sources
from crtcore.data.loader import load_images
from crtcore.data.prepare import prepare_stage, run_prepare
from crtcore.data.recording_shard import SHARD_FILE, arrhythmia_jobs
from crtcore.data.shards import encode_shard, read_shard
from crtcore.data.sources import Sources
from crtcore.errors import CrtError, StorageError
from crtcore.signal.beats import BEAT_SYMBOLS
from crtcore.signal.formats import read_any
from crtcore.signal.recording import BeatAnnotation, Beats, Recording
from crtcore.signal.wfdb_reader import write_recording
from crtcore.stages import MANIFEST, Stage, StageStore

CASES = 300  # of each of seven kinds of file; with the other formats 2,600 in all
CPU_LIMIT_S = 5.0
MEMORY_LIMIT_BYTES = 2 * 2**30
HUGE = (b"2147483647", b"4294967296", b"99999999999999999999", b"1e309", b"-1", b"0", b"nan", b"inf")


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """`content` with one to three hurts of random kinds."""
    for _ in range(generator.integers(1, 4)):
        kind = generator.integers(7)
        at = int(generator.integers(len(content))) if content else 0
        far = min(len(content), at + int(generator.integers(1, 64)))
        number = re.search(rb"[0-9]+", content[at:])
        if kind == 0:
            content = content[:at]
        elif kind == 1 and content:
            content = content[:at] + bytes([content[at] ^ 1 << generator.integers(8)]) + content[at + 1 :]
        elif kind == 2:
            content = content[:at] + content[at:far][::-1] + content[far:]
        elif kind == 3 and generator.random() < 0.1:
            content = b""
        elif kind == 4 and number:
            start, stop = number.span()
            content = content[: at + start] + HUGE[generator.integers(len(HUGE))] + content[at + stop :]
        elif kind == 5:
            content = content[:at] + b"\xff\xff\xff\x7f" * int(generator.integers(1, 9)) + content[far:]
        else:
            content = content[:at] + content[at:far] + content[at:]
    return content


@contextmanager
def little_memory() -> Iterator[None]:
    """Address space for 2 GB more than is taken now: who asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def survives(path: Path, read: Callable[[], None], num_cases: int = CASES) -> None:
    """Damage `path` again and again: `read`, which checks what it reads, passes or raises one `CrtError`."""
    intact = path.read_bytes()
    num_refused = 0
    with little_memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, on the strange numbers within wfdb
        for case in range(num_cases):
            content = damaged(intact, np.random.default_rng(case))
            path.write_bytes(content)
            start = time.process_time()
            try:
                refusal = refusal_of(read)
            except Exception as error:
                error.add_note(f"case {case} of {path.name}: {content[:400]!r}")
                raise
            assert time.process_time() - start < CPU_LIMIT_S, f"case {case} of {path.name} takes too long"
            if refusal is not None:
                num_refused += 1
                assert path.stem in refusal, f"case {case}: the file is not named: {refusal}"
                assert "\n" not in refusal, f"case {case}: more than one line: {refusal}"
    assert num_refused > 0, "no damage was noticed"
    path.write_bytes(intact)
    assert refusal_of(read) is None


def refusal_of(read: Callable[[], None]) -> str | None:
    try:
        read()
    except CrtError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two leads and four beats."""
    folder = tmp_path_factory.mktemp("record")
    generator = np.random.default_rng(0)
    write_recording(
        folder,
        Recording(
            record_id="r1",
            patient_id="r1",
            leads=("MLII", "V1"),
            sampling_rate_hz=360.0,
            signal_CS=generator.normal(size=(2, 720)).astype(np.float32),
            annotation=BeatAnnotation(
                sample_B=np.array([100, 300, 450, 620]), symbol_B=np.array(["N", "V", "N", "A"])
            ),
        ),
        fmt="212",
        comments=["72 M"],
    )
    return folder / "r1"


def check_recording(path: Path, *, annotated: bool) -> None:
    recording = read_any(path, annotated=annotated)
    assert 0 < recording.sampling_rate_hz < float("inf")
    assert recording.num_samples > 0 and not np.isinf(recording.signal_CS).any()
    assert len(recording.leads) == len(recording.signal_CS) > 0
    if annotated:
        assert recording.annotation is not None
        sample_B = recording.annotation.sample_B
        assert ((sample_B >= 0) & (sample_B < recording.num_samples)).all() and (np.diff(sample_B) >= 0).all()
        assert set(recording.annotation.symbol_B.tolist()) <= BEAT_SYMBOLS


def test_damaged_headers(record: Path) -> None:
    survives(record.with_suffix(".hea"), lambda: check_recording(record, annotated=False))


def test_damaged_signals(record: Path) -> None:
    survives(record.with_suffix(".dat"), lambda: check_recording(record, annotated=False))


def test_damaged_annotations(record: Path) -> None:
    survives(record.with_suffix(".atr"), lambda: check_recording(record, annotated=True))


def write_examples(folder: Path) -> None:
    """A short recording of two leads in each of the other formats: r.csv, r.npz, ..."""
    import edfio
    import pydicom
    from pydicom.data import get_testdata_file

    signal_CS = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
    times_S = np.arange(200) / 500
    rows = zip(times_S, *signal_CS, strict=True)
    (folder / "r.csv").write_text("time_s,I,II\n" + "\n".join(f"{t:.3f},{a:.4f},{b:.4f}" for t, a, b in rows))
    pq.write_table(pa.table({"time_s": times_S, "I": signal_CS[0], "II": signal_CS[1]}), folder / "r.parquet")
    np.savez(folder / "r.npz", signal=signal_CS, sampling_rate_hz=500, leads=["I", "II"])
    signals = [edfio.EdfSignal(lead_S, 200, label="ECG I", physical_dimension="mV") for lead_S in signal_CS]
    edfio.Edf(signals).write(folder / "r.edf")
    dataset = pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))
    dataset.WaveformSequence = dataset.WaveformSequence[:1]
    group = dataset.WaveformSequence[0]
    group.NumberOfWaveformSamples = 200
    group.WaveformData = group.WaveformData[: 200 * 2 * group.NumberOfWaveformChannels]
    dataset.save_as(folder / "r.dcm")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz", "edf", "dcm"])
def test_damaged_recordings_of_other_formats(tmp_path: Path, suffix: str) -> None:
    write_examples(tmp_path)
    path = tmp_path / f"r.{suffix}"
    survives(path, lambda: check_recording(path, annotated=False), num_cases=100)


@pytest.fixture
def cohort(tmp_path: Path, record: Path, tiny: Experiment) -> Experiment:
    """An experiment on a cohort of four patients."""
    for suffix in (".hea", ".dat"):
        for number in range(4):
            shutil.copy(record.with_suffix(suffix), tmp_path / f"r{number}{suffix}")
    header = (tmp_path / "r0.hea").read_text()
    for number in range(4):
        (tmp_path / f"r{number}.hea").write_text(header.replace("r1", f"r{number}"))
    (tmp_path / "manifest.csv").write_text(
        "patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml,age_years,fold\n"
        'p0,r0,200,100,71,0\np1,r1,180.5,170,66,1\n"p2",r2,220,230,,0\np3,r3,150,90,80,1\n'
    )
    return override(tiny, {"cohort.manifest": tmp_path / "manifest.csv", "cohort.leads": None})


def check_cohort(experiment: Experiment) -> None:
    sources, patients, leads = cohort_sources(experiment)
    assert {patient.label for patient in patients} == {0, 1} and leads
    assert {source.patient_id for source in sources} == {patient.patient_id for patient in patients}


def test_damaged_manifests(cohort: Experiment) -> None:
    survives(cohort.manifest_path, lambda: check_cohort(cohort))


def test_damaged_parquet_manifests(cohort: Experiment) -> None:
    path = cohort.manifest_path.with_suffix(".parquet")
    pq.write_table(pyarrow.csv.read_csv(cohort.manifest_path), path)
    experiment = override(cohort, {"cohort.manifest": path})
    survives(path, lambda: check_cohort(experiment))


def shard(num_beats: int = 3) -> bytes:
    sample_B = np.arange(num_beats, dtype=np.int64) * 300
    second_B = np.ones(num_beats, np.float32)
    return bytes(
        encode_shard(
            patient_id="p1",
            record_id="r1",
            leads=("II", "V1"),
            beats=Beats(
                r_sample_B=sample_B,
                start_B=sample_B,
                stop_B=sample_B + 300,
                rr_previous_s_B=second_B,
                rr_next_s_B=second_B,
                rr_local_s_B=second_B,
                symbol_B=np.full(num_beats, "N"),
            ),
            label_B=np.zeros(num_beats, dtype=np.int64),
            image_BCFT=np.zeros((num_beats, 2, 64, 64), np.uint8),
        )
    )


def test_damaged_shards(tmp_path: Path) -> None:
    path = tmp_path / "shard.parquet"
    path.write_bytes(shard())

    def check() -> None:
        rows = read_shard(path)
        num_rows = len(rows.image_NFT)
        assert rows.image_NFT.shape == (num_rows, 64, 64)
        assert {len(rows.patient_N), len(rows.record_N), len(rows.lead_N), len(rows.label_N)} == {num_rows}

    survives(path, check)


def test_damaged_stage_manifests(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    stage = Stage(name="toy", config={"depth": 18}, inputs=("abc",), version=1)
    committed = store.commit(stage, {"a": b"0123456789"}, {"auc": 0.75, "symbols": {"N": 3}})

    def check() -> None:
        reader = StageStore(store.uri, cache=store.cache)
        assert reader.find(stage) == committed
        assert reader.path(stage, "a").read_bytes() == b"0123456789"

    survives(tmp_path / "storage/stages/toy" / stage.digest / MANIFEST, check)


@pytest.fixture
def prepared(tiny: Experiment) -> tuple[StageStore, Stage, Path]:
    """A prepared set of two records, and the path of one of its shards."""
    experiment = override(tiny, {"arrhythmia.max_beats_per_record": 2})
    jobs = arrhythmia_jobs(experiment, sources_of(experiment))[:2]
    store, stage = StageStore(tiny.storage, cache=tiny.cache), prepare_stage("arrhythmia", jobs)
    run_prepare(store, stage, jobs)
    return store, stage, store.path(jobs[1].stage, SHARD_FILE)


def sources_of(experiment: Experiment) -> Sources:
    return Sources(arrhythmia=arrhythmia_sources(experiment), cohort=(), patients=(), cohort_leads=())


def test_a_flipped_bit_of_a_shard_never_reaches_training(prepared: tuple[StageStore, Stage, Path]) -> None:
    store, stage, path = prepared
    manifest = (path.parents[2] / "prepare" / stage.digest / MANIFEST).read_bytes()
    intact = path.read_bytes()
    generator = np.random.default_rng(0)
    for bit in [0, 8 * len(intact) - 1, *generator.integers(8 * len(intact), size=200).tolist()]:
        content = bytearray(intact)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"shard\.parquet is damaged"):
            load_images(StageStore(store.uri, cache=store.cache), stage)
        # A reader that met damage takes the set's manifest away, for `prepare` to look again; here it comes
        # back.
        assert StageStore(store.uri, cache=store.cache).find(stage) is None
        (path.parents[2] / "prepare" / stage.digest).mkdir()
        (path.parents[2] / "prepare" / stage.digest / MANIFEST).write_bytes(manifest)
    path.write_bytes(intact)
    assert load_images(StageStore(store.uri, cache=store.cache), stage).num_images == 8


def test_a_flipped_bit_of_the_mapped_copy_is_mended(prepared: tuple[StageStore, Stage, Path]) -> None:
    store, stage, _ = prepared
    image_NFT = np.array(load_images(store, stage).image_NFT)
    (copy,) = (store.cache / "images").iterdir()
    content = bytearray(copy.read_bytes())
    for position in (0, 5000, len(content) - 1):
        content[position] ^= 4
        copy.write_bytes(content)
        np.testing.assert_array_equal(load_images(store, stage).image_NFT, image_NFT)


def test_the_same_command_mends_a_damaged_shard(tiny: Experiment) -> None:
    jobs = arrhythmia_jobs(tiny, sources_of(tiny))
    stage = prepare_stage("arrhythmia", jobs)
    for damaged_file in (SHARD_FILE, MANIFEST, None):
        store = StageStore(tiny.storage, cache=tiny.cache)
        run_prepare(store, stage, jobs)
        path = store.path(jobs[0].stage, SHARD_FILE)
        intact = path.read_bytes()
        if damaged_file is None:
            shutil.rmtree(path.parent)  # what the message tells a user to do
        else:
            (path.parent / damaged_file).write_bytes(bytes(100))
        with pytest.raises(StorageError, match=jobs[0].stage.digest):
            load_images(StageStore(tiny.storage, cache=tiny.cache), stage)
        again = StageStore(tiny.storage, cache=tiny.cache)
        run_prepare(again, stage, jobs)
        assert path.read_bytes() == intact
        assert load_images(again, stage).num_images == 4 * 8 * 2


def test_a_stage_folder_without_its_manifest_is_told(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    stage = Stage(name="toy", config={}, inputs=(), version=1)
    store.commit(stage, {"a": b"1"}, {})
    (tmp_path / "storage/stages/toy" / stage.digest / MANIFEST).unlink()
    with pytest.raises(StorageError, match=r"no manifest\.json; remove it and run the same command"):
        StageStore(store.uri, cache=store.cache).commit(stage, {"a": b"1"}, {})
