"""`python -m benchmarks.busy SECONDS`: arithmetic and nothing else; prints rounds a second, and CPU seconds of one."""

import sys
import time

_ROUND = range(10_000)


def main() -> None:
    """Count for so long."""
    started, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < started + float(sys.argv[1]):
        sum(number * number % 7 for number in _ROUND)
        count += 1
    print(count / (time.perf_counter() - started), (time.process_time() - cpu) / count)


if __name__ == "__main__":
    main()
