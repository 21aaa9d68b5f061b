"""Names of what a sweep keeps in its Optuna study beside Optuna's own."""

from typing import Final

RAY_DASHBOARD: Final = "ray_dashboard"  # attribute of a study: the address while its sweep runs
