"""How often stages were built, from what the stage store makes on the disk."""

from collections import Counter
from pathlib import Path

from tests.cluster.watch import Watch

STAGES = ("shard", "prepare", "pretrain", "features", "finetune")


class Builds:
    """Watches a storage that no sweep has used yet."""

    def __init__(self, storage: Path) -> None:
        self._storage = storage
        folders = [storage / "stages" / name for name in STAGES]
        for folder in folders:
            folder.mkdir(parents=True)
        self._watch = Watch(folders)

    def commits(self) -> Counter[str]:
        """How often each stage was built to its end, whether or not another had committed it before."""
        return Counter(
            f"{path.parent.name}/{path.name.split('-')[1]}"
            for path in self._watch.read()
            if path.name.startswith(".tmp-")
        )

    def saved_epochs(self) -> Counter[str]:
        """How often each trial's progress was saved, by digest of its stage `finetune`: after every epoch but
        the last.
        """
        return Counter(
            path.name[1:].partition("-")[0]  # of the draft that is renamed: .<digest>-<attempt>.progress
            for path in self._watch.read()
            if path.parent.name == "finetune" and path.suffix == ".progress"
        )

    def is_committed(self, digest: str) -> bool:
        return (self._storage / "stages" / "finetune" / digest).exists()

    def close(self) -> None:
        self._watch.close()
