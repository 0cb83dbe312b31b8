"""`python -m tests.live.shifted SECONDS PROGRAM...`: a Python module run with a clock that is wrong by so much."""

import runpy
import sys
import time


def _run(seconds: float, module: str, arguments: list[str]) -> None:
    right = time.time
    time.time = lambda: right() + seconds
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _, wrong_by, _python, _m, program, *rest = sys.argv
    _run(float(wrong_by), program, rest)
