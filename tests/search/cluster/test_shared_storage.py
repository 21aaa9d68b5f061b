"""Whether every node sees the storage, without Ray and on a real one."""

from pathlib import Path

import pytest

from crtcore.errors import StorageError
from search.cluster.connection import node_resources
from search.cluster.shared_storage import ask_nodes, look_for, require_shared


def test_nodes_that_do_not_see_the_storage_are_named(tmp_path: Path) -> None:
    """Node a sees it, node b has another folder at that path, node c cannot use the bucket."""

    def ask(storage: str, name: str) -> list[tuple[str, str]]:
        return [
            ("node a", look_for(storage, name)),
            ("node b", look_for(str(tmp_path / "own"), name)),
            ("node c", look_for("nosuch://bucket", name)),
        ]

    with pytest.raises(
        StorageError, match=r"not shared by all nodes: node b does not see it; node c says:"
    ) as error:
        require_shared(str(tmp_path / "shared"), ask=ask)
    assert "node a" not in str(error.value)
    assert list((tmp_path / "shared").iterdir()) == []  # the file that nodes looked for is removed


def test_a_storage_that_all_nodes_see_is_accepted(tmp_path: Path) -> None:
    asked = []

    def ask(storage: str, name: str) -> list[tuple[str, str]]:
        asked.append(name)
        return [("node a", look_for(storage, name))]

    require_shared(str(tmp_path), ask=ask)
    require_shared(str(tmp_path), ask=ask)
    assert len(set(asked)) == 2  # a new file each time: what a node cached earlier proves nothing
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ray
@pytest.mark.usefixtures("one_ray")
def test_nodes_of_a_real_ray_are_asked(tmp_path: Path) -> None:
    require_shared(str(tmp_path))
    assert len(node_resources()) == 1
    blind = tmp_path / "gone"
    with pytest.raises(StorageError, match=r"node \S+ \([\d.]+\) does not see it"):
        require_shared(str(tmp_path), ask=lambda storage, name: ask_nodes(str(blind), name))
