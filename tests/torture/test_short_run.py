"""Every kind of fault once, on real servers under a small load; `make torture` does it for ten minutes."""

import asyncio

import pytest

from torture import faults
from torture.report import report
from torture.run import BRIEF, run

NORMAL_WITHIN_SECONDS = 15.0  # what a crowded machine may take; `make torture` demands two


@pytest.mark.alone
@pytest.mark.parametrize(("world", "kinds"), [("postgres", faults.POSTGRES), ("sqlite", faults.SQLITE)])
def test_nothing_that_must_not_happen_happens(world: str, kinds: tuple[faults.Kind, ...]) -> None:
    (outcome,) = asyncio.run(run(BRIEF, seed=20_261_122, say=print, worlds=[world]))

    found = report(outcome)
    assert found.findings == ()
    assert outcome.deaths == ()
    assert {fault.kind for fault in outcome.history.faults} | {*outcome.skipped} == {kind.name for kind in kinds}
    assert max(seconds for _, seconds in found.recovered) < NORMAL_WITHIN_SECONDS
    assert min(found.requests.values()) > 0
