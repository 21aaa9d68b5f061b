from pathlib import Path

import pytest

from crtcore.errors import DataError
from crtcore.signal import expansion
from crtcore.signal.expansion import check_expansion, check_size


def test_a_file_may_grow_a_hundred_times_and_a_small_one_to_64_mib(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(10))
    check_expansion(tmp_path / "small", 2**26)
    with pytest.raises(DataError, match=r"small has 10 bytes and claims to hold 67,108,865"):
        check_expansion(tmp_path / "small", 2**26 + 1)
    (tmp_path / "large").write_bytes(bytes(2**20))
    check_expansion(tmp_path / "large", 100 * 2**20)
    with pytest.raises(DataError, match="claims to hold"):
        check_expansion(tmp_path / "large", 100 * 2**20 + 1)


def test_no_file_may_be_larger_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2**31 + 1)
    with pytest.raises(DataError, match="sparse has more than 2,147,483,648 bytes"):
        check_size(tmp_path / "sparse")
    monkeypatch.setattr(expansion, "MAX_DECODED_BYTES", 2**32)
    check_size(tmp_path / "sparse")
