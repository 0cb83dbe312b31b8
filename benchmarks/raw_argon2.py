"""`python -m benchmarks.raw_argon2 THREADS SECONDS`: bare Argon2id checks a second by libsodium."""

import sys
import threading
import time

import nacl.pwhash

PASSES, MEMORY_KIB = 2, 19_456
PASSWORD = b"correct horse battery staple"


def verify_until(stored: bytes, until: float, done: list[int]) -> None:
    """Check the password again and again."""
    count = 0
    while time.perf_counter() < until:
        nacl.pwhash.verify(stored, PASSWORD)
        count += 1
    done.append(count)


def main() -> None:
    """Print the number a second over all threads, and the CPU seconds of one."""
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    stored = nacl.pwhash.argon2id.str(PASSWORD, opslimit=PASSES, memlimit=MEMORY_KIB * 1024)
    done: list[int] = []
    started, cpu = time.perf_counter(), time.process_time()
    crew = [threading.Thread(target=verify_until, args=(stored, started + seconds, done)) for _ in range(threads)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    print(sum(done) / (time.perf_counter() - started), (time.process_time() - cpu) / sum(done))


if __name__ == "__main__":
    main()
