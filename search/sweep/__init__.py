"""A sweep from its config to its leaderboard."""

from search.sweep.run import run_sweep

__all__ = ["run_sweep"]
