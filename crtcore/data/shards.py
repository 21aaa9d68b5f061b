"""Parquet shards: one file per recording, one row per beat and lead.

The images can be memory-mapped. `image` is a fixed_size_binary column without nulls, compression or
dictionary, in one data page of one row group, so its values are one C-ordered uint8 array in the file. Other
readers of Parquet (pandas, DuckDB, Spark) see an ordinary table.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.errors import StorageError
from crtcore.signal.recording import Beats, FloatArray, IntArray, StrArray
from crtcore.signal.spectrogram import IMAGE_SHAPE

IMAGE_BYTES = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]
SHORTEST_PAGE_HEADER_BYTES: Final = 17
"""A Parquet page header that has only its required fields, each as short as possible, in Thrift's compact
protocol: page type, two sizes, number of values and three encodings take 2 bytes each, the begin of the inner
struct 1 byte, and the ends of both structs 2 bytes. `encode_shard` writes headers of 21 to 29 bytes, and two
headers have 34 or more.
"""
SCHEMA = pa.schema(
    [
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("lead", pa.string(), nullable=False),
        pa.field("beat_index", pa.int32(), nullable=False),
        pa.field("r_sample", pa.int64(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("rr_previous_s", pa.float32(), nullable=False),
        pa.field("rr_next_s", pa.float32(), nullable=False),
        pa.field("rr_ratio", pa.float32(), nullable=False),
        pa.field("amplitude_mv", pa.float32(), nullable=False),
        pa.field("image", pa.binary(IMAGE_BYTES), nullable=False),
    ]
)
MEASURES = ["rr_previous_s", "rr_next_s", "rr_ratio", "amplitude_mv"]
NAMES = ["patient_id", "record_id", "lead", "symbol"]  # text that repeats: stored and read as dictionaries


@dataclass(frozen=True, kw_only=True)
class ShardRows:
    """The columns of one shard. Rows are beat-major: beat 0 lead 0..L-1, beat 1 lead 0..L-1, ..."""

    patient_N: StrArray
    record_N: StrArray
    lead_N: StrArray
    symbol_N: StrArray
    label_N: IntArray
    rr_previous_s_N: FloatArray
    rr_next_s_N: FloatArray
    rr_ratio_N: FloatArray
    amplitude_mv_N: FloatArray
    image_NFT: npt.NDArray[np.uint8]


def encode_shard(
    *,
    patient_id: str,
    record_id: str,
    leads: tuple[str, ...],
    beats: Beats,
    label_B: IntArray,
    amplitude_mv_BC: FloatArray,
    image_BCFT: npt.NDArray[np.uint8],
) -> memoryview:
    """One recording's beats as a Parquet file; `image_BCFT` is uint8, shape (beats, leads, 64, 64)."""
    num_beats, num_leads = len(beats), len(leads)
    assert image_BCFT.shape == (num_beats, num_leads, *IMAGE_SHAPE) and image_BCFT.dtype == np.uint8
    assert amplitude_mv_BC.shape == (num_beats, num_leads)
    num_rows = num_beats * num_leads

    def per_row(values_B: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return np.repeat(values_B, num_leads)

    images = pa.Array.from_buffers(
        pa.binary(IMAGE_BYTES), num_rows, [None, pa.py_buffer(np.ascontiguousarray(image_BCFT))]
    )
    table = pa.table(
        {
            "patient_id": [patient_id] * num_rows,
            "record_id": [record_id] * num_rows,
            "lead": list(leads) * num_beats,
            "beat_index": per_row(np.arange(num_beats, dtype=np.int32)),
            "r_sample": per_row(beats.r_sample_B),
            "symbol": per_row(beats.symbol_B),
            "label": per_row(label_B),
            "rr_previous_s": per_row(beats.rr_previous_s_B),
            "rr_next_s": per_row(beats.rr_next_s_B),
            "rr_ratio": per_row(beats.rr_ratio_B),
            "amplitude_mv": amplitude_mv_BC.ravel(),
            "image": images,
        },
        schema=SCHEMA,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="none",
        use_dictionary=NAMES,
        write_statistics=False,
        row_group_size=max(num_rows, 1),
        write_batch_size=max(num_rows, 1),
        max_rows_per_page=max(num_rows, 1),
        data_page_size=max(num_rows, 1) * IMAGE_BYTES + 1,
    )
    return memoryview(sink.getvalue())


def read_shard(path: Path) -> ShardRows:
    """Read one shard. `image_NFT` (uint8, N x 64 x 64, read-only) maps the file if `encode_shard` wrote it;
    the images of another writer are decoded into memory.

    Raises StorageError if the file is not a shard.
    """
    try:
        if not pq.read_schema(path, memory_map=True).equals(SCHEMA):
            raise StorageError(
                f"{path} is not a crtsearch shard (its columns differ); remove it and prepare again"
            )
        with pq.ParquetFile(path, read_dictionary=NAMES, memory_map=True) as file:
            columns = file.read(columns=[*NAMES, "label", *MEASURES], use_threads=False)
            columns.validate(full=True)
            if columns.num_rows == 0:
                raise StorageError(f"{path} is a shard without rows; remove it and prepare again")
            image_NFT = _mapped_images(path, file.metadata)
            if image_NFT is None:
                image_NFT = _decoded_images(file)
    except (pa.ArrowException, OSError) as error:
        raise StorageError(
            f"{path} is not a readable Parquet file ({' '.join(str(error).split())}); "
            f"remove it and prepare again"
        ) from error
    return ShardRows(
        patient_N=_names(columns["patient_id"]),
        record_N=_names(columns["record_id"]),
        lead_N=_names(columns["lead"]),
        symbol_N=_names(columns["symbol"]),
        label_N=columns["label"].to_numpy(),
        **{f"{name}_N": columns[name].to_numpy() for name in MEASURES},
        image_NFT=image_NFT,
    )


def _names(column: pa.ChunkedArray) -> StrArray:
    encoded = _one_array(column)
    index_N: IntArray = encoded.indices.to_numpy()
    return np.array(encoded.dictionary.to_pylist(), dtype=np.str_)[index_N]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _mapped_images(path: Path, metadata: pq.FileMetaData) -> npt.NDArray[np.uint8] | None:
    """The image column, mapped from the file. None if another writer laid the file out differently.

    In one uncompressed page of required values without a dictionary, the values are the last bytes of the
    column. What precedes them are page headers, so their size says how many pages there are.
    """
    if metadata.num_row_groups != 1:
        return None
    num_rows = metadata.num_rows
    chunk = metadata.row_group(0).column(SCHEMA.get_field_index("image"))
    start, num_bytes = chunk.data_page_offset, num_rows * IMAGE_BYTES
    stop = start + chunk.total_compressed_size
    plain = (
        chunk.compression == "UNCOMPRESSED" and not chunk.has_dictionary_page and "PLAIN" in chunk.encodings
    )
    num_header_bytes = chunk.total_compressed_size - num_bytes
    one_page = 0 < num_header_bytes < 2 * SHORTEST_PAGE_HEADER_BYTES
    if not (plain and one_page and 0 < start < stop < path.stat().st_size):
        return None
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, np.uint8, count=num_bytes, offset=stop - num_bytes).reshape(-1, *IMAGE_SHAPE)


def _decoded_images(file: pq.ParquetFile) -> npt.NDArray[np.uint8]:
    column = _one_array(file.read(columns=["image"])["image"])
    flat = np.frombuffer(
        column.buffers()[1], np.uint8, count=len(column) * IMAGE_BYTES, offset=column.offset * IMAGE_BYTES
    )
    return flat.reshape(len(column), *IMAGE_SHAPE)
