"""What every result states: the command, the commit and the date."""

import datetime
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def provenance(benchmark: str) -> dict[str, str]:
    """The command of this process, the commit of the code and today's date (UTC)."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True, cwd=HERE)
    return {
        "command": " ".join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]]),
        "commit": commit.strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
