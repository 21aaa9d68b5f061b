"""Child seeds by name: each use of randomness has a seed of its own, so adding one never shifts another."""

import hashlib


def child_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on each of `names`, and on nothing else (no global state, no
    order of calls).
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
