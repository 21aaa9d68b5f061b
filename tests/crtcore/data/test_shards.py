"""A shard is an ordinary Parquet file whose images can be mapped; other layouts are decoded."""

import mmap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.data.shards import SCHEMA, encode_shard, read_shard
from crtcore.errors import StorageError
from crtcore.signal.recording import Beats

PLAIN = {"compression": "none", "use_dictionary": False, "write_statistics": False}


def make(num_beats: int, num_leads: int, seed: int = 0) -> tuple[bytes, np.ndarray]:
    generator = np.random.default_rng(seed)
    image_BCFT = generator.integers(0, 256, (num_beats, num_leads, 64, 64), dtype=np.uint8)
    sample_B = np.arange(num_beats, dtype=np.int64) * 300
    ones_B = np.ones(num_beats, np.float32)
    beats = Beats(
        r_sample_B=sample_B,
        start_B=sample_B,
        stop_B=sample_B + 300,
        rr_previous_s_B=ones_B,
        rr_next_s_B=ones_B,
        rr_ratio_B=ones_B,
        symbol_B=np.array(["N", "V"] * num_beats)[:num_beats],
    )
    content = encode_shard(
        patient_id="p1",
        record_id="r1",
        leads=tuple(f"L{lead}" for lead in range(num_leads)),
        beats=beats,
        label_B=np.arange(num_beats, dtype=np.int64) % 5,
        amplitude_mv_BC=np.arange(num_beats * num_leads, dtype=np.float32).reshape(num_beats, num_leads),
        image_BCFT=image_BCFT,
    )
    return bytes(content), image_BCFT.reshape(-1, 64, 64)


def maps_its_file(array: np.ndarray) -> bool:
    """Whether the array's memory is a mapped file rather than a copy."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    while isinstance(base, memoryview):
        base = base.obj
    return isinstance(base, mmap.mmap)


@settings(max_examples=25, deadline=None)
@given(num_beats=st.integers(1, 40), num_leads=st.integers(1, 12), seed=st.integers(0, 99))
def test_images_are_mapped_and_equal(
    tmp_path_factory: pytest.TempPathFactory, num_beats: int, num_leads: int, seed: int
) -> None:
    content, image_NFT = make(num_beats, num_leads, seed)
    path = tmp_path_factory.mktemp("shard") / "shard.parquet"
    path.write_bytes(content)
    rows = read_shard(path)
    assert maps_its_file(rows.image_NFT)
    np.testing.assert_array_equal(rows.image_NFT, image_NFT)
    assert rows.lead_N.tolist() == [f"L{lead}" for lead in range(num_leads)] * num_beats
    assert rows.label_N.tolist() == np.repeat(np.arange(num_beats) % 5, num_leads).tolist()
    assert rows.amplitude_mv_N.tolist() == list(range(num_beats * num_leads))
    assert rows.rr_ratio_N.tolist() == [1.0] * num_beats * num_leads


def test_a_shard_of_a_long_record_is_one_page(tmp_path: Path) -> None:
    content, image_NFT = make(3000, 2)
    path = tmp_path / "shard.parquet"
    path.write_bytes(content)
    rows = read_shard(path)
    assert maps_its_file(rows.image_NFT)
    np.testing.assert_array_equal(rows.image_NFT, image_NFT)


def test_other_readers_see_a_table(tmp_path: Path) -> None:
    content, image_NFT = make(3, 2)
    path = tmp_path / "shard.parquet"
    path.write_bytes(content)
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert table["image"][4].as_py() == image_NFT[4].tobytes()


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "zstd"},
        {"use_dictionary": True},
        {"row_group_size": 4},
        {**PLAIN, "data_page_size": 4096, "write_batch_size": 1},
        {**PLAIN, "max_rows_per_page": 5, "write_batch_size": 5},  # two pages, the fewest that are not one
        {**PLAIN, "data_page_size": 4096, "write_batch_size": 1, "data_page_version": "2.0"},
    ],
)
def test_foreign_layouts_are_decoded(tmp_path: Path, layout: dict[str, object]) -> None:
    content, image_NFT = make(5, 2)
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    ours.write_bytes(content)
    pq.write_table(pq.read_table(ours), theirs, **layout)
    rows = read_shard(theirs)
    assert not maps_its_file(rows.image_NFT)
    np.testing.assert_array_equal(rows.image_NFT, image_NFT)


@pytest.mark.parametrize("num_beats", [1, 5, 400])
@pytest.mark.parametrize("layout", [{"data_page_version": "2.0"}, {"write_page_checksum": True}])
def test_longer_page_headers_move_no_image(tmp_path: Path, num_beats: int, layout: dict[str, object]) -> None:
    content, image_NFT = make(num_beats, 1)
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    ours.write_bytes(content)
    pq.write_table(pq.read_table(ours), theirs, **PLAIN, data_page_size=2**30, **layout)
    np.testing.assert_array_equal(read_shard(theirs).image_NFT, image_NFT)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "text"])
def test_what_is_no_shard_is_refused(tmp_path: Path, damage: str) -> None:
    content, _ = make(3, 2)
    path = tmp_path / "shard.parquet"
    path.write_bytes({"empty": b"", "cut": content[:-100], "foreign": content, "text": b"hello"}[damage])
    if damage == "foreign":
        pq.write_table(pq.read_table(path).drop_columns(["lead"]), path)
    with pytest.raises(StorageError, match=r"shard\.parquet is not a"):
        read_shard(path)
