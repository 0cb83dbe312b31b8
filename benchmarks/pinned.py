"""`python -m benchmarks.pinned CORES COMMAND ...`: become COMMAND on these cores only (comma-separated numbers)."""

import os
import sys


def main() -> None:
    """Set the affinity before anything has started a thread, then become the command."""
    os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
    os.execvp(sys.argv[2], sys.argv[2:])


def pinned(cores: str, *command: str) -> list[str]:
    """The command line that runs a command pinned."""
    return [sys.executable, "-m", "benchmarks.pinned", cores, *command]


if __name__ == "__main__":
    main()
