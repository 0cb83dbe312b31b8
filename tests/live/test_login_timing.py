"""Who may not log in learns nothing: an unknown, a disabled user and a wrong password look and last the same."""

import time
from pathlib import Path
from statistics import median

import pytest

from tests.live.people import PASSWORD, network, settle
from tests.live.process import serving
from tests.live.talk import Answer, Api

TRIES = 200
APART = 1.05
ATTEMPTS = 3  # at measuring: the machine may be busy with something else


@pytest.mark.alone
def test_unknown_disabled_and_wrong_password_give_the_same_bytes_in_the_same_time(tmp_path: Path) -> None:
    seen = []
    with serving(tmp_path, TRUSTED_PROXIES="127.0.0.1") as server, server.api() as api:
        for attempt in range(ATTEMPTS):
            names = [f"{attempt}-{number}" for number in range(TRIES)]
            kinds = {
                "unknown": [f"unknown-{name}@example.com" for name in names],
                "disabled": settle(server, [f"disabled-{name}" for name in names], disabled=True),
                "wrong": settle(server, [f"wrong-{name}" for name in names]),
            }
            medians = _medians(api, kinds, first_network=attempt * 3 * TRIES)
            seen.append(max(medians.values()) / min(medians.values()))
            print("\n" + ", ".join(f"{kind} {seconds * 1000:.2f} ms" for kind, seconds in medians.items()))
            if seen[-1] <= APART:
                break
    assert min(seen) <= APART, seen


def _medians(api: Api, kinds: dict[str, list[str]], *, first_network: int) -> dict[str, float]:
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    answers = set()
    number = first_network
    for turn in range(TRIES):
        order = list(kinds)[turn % 3 :] + list(kinds)[: turn % 3]
        for kind in order:
            number += 1
            started = time.perf_counter()
            answer = _try(api, kinds[kind][turn], kind=kind, address=network(number))
            took[kind].append(time.perf_counter() - started)
            answers.add(_without_date(answer))
    assert len(answers) == 1, answers
    assert next(iter(answers))[0] == 401
    return {kind: median(seconds) for kind, seconds in took.items()}


def _try(api: Api, email: str, *, kind: str, address: str) -> Answer:
    password = "not the right passphrase" if kind == "wrong" else PASSWORD
    return api.post("/auth/login", {"email": email, "password": password}, headers={"X-Forwarded-For": address})


def _without_date(answer: Answer) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    headers = tuple(sorted((name, value) for name, value in answer.headers.items() if name != "date"))
    return answer.status, headers, answer.body
