"""Use a `ray up` cluster from the machine that started it: sweeps as jobs, dashboards through SSH."""
