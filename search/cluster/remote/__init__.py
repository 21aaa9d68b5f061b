"""A cluster of `ray up` from the machine that started it: sweeps as jobs, dashboards through SSH."""
