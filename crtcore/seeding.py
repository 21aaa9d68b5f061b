"""Seeds by name: each use of randomness has its own seed, so a new use does not change the others."""

import hashlib


def child_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and `names` only, not on global state or the order of calls."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
