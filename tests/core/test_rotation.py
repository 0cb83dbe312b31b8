"""The decision table of refresh rotation, row by row."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.model import Session
from jotgate.core.policy import Policy, policy_for
from jotgate.core.refresh_token import MAX_GENERATION, Presented, seed_hash
from jotgate.core.rotation import (
    FIRST_GENERATION,
    NO_PARENT,
    Decision,
    Recover,
    Refuse,
    Repeat,
    Replay,
    Rotate,
    decide,
)

NOW = 1_800_000_000
SEED = b"s" * 16
POLICY = policy_for("https://auth.example.com")
SESSION = Session(
    id="0" * 32,
    user_id="1" * 32,
    client_id="jotgate",
    audience=("gym",),
    scope=None,
    generation=5,
    parent=4,
    seed_hash=seed_hash(SEED),
    opened_at=NOW - 1000,
    rotated_at=NOW,
    expires_at=NOW + 30 * 86400,
    idle_seconds=14 * 86400,
)
ROTATED = SESSION.rotated_at


def at(generation: int, *, seed: bytes = SEED) -> Presented:
    return Presented(SESSION.id, generation, seed)


def decided(
    session: Session | None, generation: int, *, now: int = NOW, policy: Policy = POLICY, client_id: str | None = None
) -> Decision:
    return decide(session, at(generation), now=now, policy=policy, client_id=client_id)


@pytest.mark.parametrize(
    ("generation", "after", "decision"),
    [
        # = generation
        (5, 0, Rotate(6, parent=5)),
        (5, 31, Rotate(6, parent=5)),
        # = parent, within the grace
        (4, -60, Repeat()),
        (4, 0, Repeat()),
        (4, 30, Repeat()),
        # = parent, later, within the recovery
        (4, 31, Recover(6, parent=4)),
        (4, 86400, Recover(6, parent=4)),
        # = parent, too late
        (4, 86401, Replay()),
        # any other older one
        (3, 0, Replay()),
        (0, 0, Replay()),
        # newer
        (6, 0, Rotate(7, parent=6, newer_by=1)),
        (105, 0, Rotate(106, parent=105, newer_by=100)),
    ],
)
def test_the_table(generation: int, after: int, decision: Decision) -> None:
    assert decided(SESSION, generation, now=ROTATED + after) == decision


@pytest.mark.parametrize(
    ("session", "presented", "why"),
    [
        (None, at(5), "no such session"),
        (replace(SESSION, id="f" * 32), at(5), "no such session"),
        (replace(SESSION, closed_at=NOW - 1, closed_by="logout"), at(5), "closed"),
        (replace(SESSION, expires_at=NOW), at(5), "expired"),
        (replace(SESSION, idle_seconds=0), at(5), "idle"),
        (SESSION, at(5, seed=b"x" * 16), "seed"),
        (SESSION, at(106), "newer than the session by 101"),
        (SESSION, at(MAX_GENERATION), "newer"),
    ],
)
def test_what_is_refused(session: Session | None, presented: Presented, why: str) -> None:
    decision = decide(session, presented, now=NOW, policy=POLICY)

    assert isinstance(decision, Refuse)
    assert why in decision.why


@pytest.mark.parametrize("generation", [0, 4, 5, 6])
@pytest.mark.parametrize(
    "over", [{"closed_at": NOW - 1}, {"expires_at": NOW}, {"rotated_at": NOW - 14 * 86400}], ids=str
)
def test_a_session_that_is_over_refuses_every_generation(generation: int, over: dict[str, int]) -> None:
    decision = decided(replace(SESSION, **over), generation)  # type: ignore[arg-type]  # rows of several fields

    assert isinstance(decision, Refuse)


def test_an_old_token_with_a_wrong_seed_closes_nothing() -> None:
    decision = decide(SESSION, at(0, seed=b"x" * 16), now=NOW, policy=POLICY)

    assert isinstance(decision, Refuse)


# --- instants, on both sides of their second


@pytest.mark.parametrize(("now", "kind"), [(NOW + 99, Rotate), (NOW + 100, Refuse), (NOW + 101, Refuse)])
def test_on_or_after_its_absolute_end_a_session_is_over(now: int, kind: type[Decision]) -> None:
    session = replace(SESSION, expires_at=NOW + 100)

    assert type(decided(session, 5, now=now)) is kind


@pytest.mark.parametrize(("now", "kind"), [(ROTATED + 99, Rotate), (ROTATED + 100, Refuse), (ROTATED + 101, Refuse)])
def test_on_or_after_its_idle_end_a_session_is_over(now: int, kind: type[Decision]) -> None:
    session = replace(SESSION, idle_seconds=100)

    assert type(decided(session, 5, now=now)) is kind


@pytest.mark.parametrize(("after", "decision"), [(5, Repeat()), (6, Recover(6, parent=4))])
def test_the_grace_is_the_policy_s(after: int, decision: Decision) -> None:
    assert decided(SESSION, 4, now=ROTATED + after, policy=replace(POLICY, grace=5)) == decision


@pytest.mark.parametrize(("after", "decision"), [(600, Recover(6, parent=4)), (601, Replay())])
def test_the_recovery_is_the_policy_s(after: int, decision: Decision) -> None:
    assert decided(SESSION, 4, now=ROTATED + after, policy=replace(POLICY, recovery=600)) == decision


@pytest.mark.parametrize(("after", "decision"), [(30, Repeat()), (31, Replay())])
def test_without_recovery_a_parent_after_the_grace_is_a_replay(after: int, decision: Decision) -> None:
    assert decided(SESSION, 4, now=ROTATED + after, policy=replace(POLICY, recovery=0)) == decision


def test_without_grace_a_parent_is_recovered_at_once() -> None:
    assert decided(SESSION, 4, policy=replace(POLICY, grace=0)) == Recover(6, parent=4)


def test_without_grace_and_recovery_a_parent_is_a_replay_at_once() -> None:
    assert decided(SESSION, 4, policy=replace(POLICY, grace=0, recovery=0)) == Replay()


# --- clients


@pytest.mark.parametrize("generation", [0, 4, 5, 6])
def test_another_client_gets_nothing_and_closes_nothing(generation: int) -> None:
    decision = decided(SESSION, generation, client_id="other")

    assert isinstance(decision, Refuse)
    assert "client" in decision.why


def test_the_session_s_own_client_rotates() -> None:
    assert decided(SESSION, 5, client_id="jotgate") == Rotate(6, parent=5)


# --- the counter's end


@pytest.mark.parametrize(
    ("generation", "decision"),
    [(MAX_GENERATION - 1, Rotate(MAX_GENERATION, parent=MAX_GENERATION - 1)), (MAX_GENERATION, None)],
)
def test_the_counter_never_leaves_its_32_bits(generation: int, decision: Decision | None) -> None:
    session = replace(SESSION, generation=generation, parent=generation - 1)

    found = decided(session, generation)

    assert found == decision or (decision is None and isinstance(found, Refuse))


def test_at_the_counter_s_end_the_parent_is_repeated_but_not_recovered() -> None:
    session = replace(SESSION, generation=MAX_GENERATION, parent=MAX_GENERATION - 1)

    assert decided(session, MAX_GENERATION - 1) == Repeat()
    assert isinstance(decided(session, MAX_GENERATION - 1, now=ROTATED + 31), Refuse)


def test_a_newer_one_at_the_counter_s_end_is_refused() -> None:
    assert isinstance(decided(replace(SESSION, generation=MAX_GENERATION - 1), MAX_GENERATION), Refuse)


# --- stories


def after(session: Session, decision: Decision, *, now: int) -> Session:
    """The session once the decision is carried out."""
    match decision:
        case Rotate(generation, parent) | Recover(generation, parent):
            return replace(session, generation=generation, parent=parent, rotated_at=now)
        case Replay():
            return replace(session, closed_at=now, closed_by="replay")
        case Repeat() | Refuse():
            return session


FRESH = replace(SESSION, generation=FIRST_GENERATION, parent=NO_PARENT, opened_at=NOW)


def test_the_first_token_of_a_login_rotates_and_has_no_parent() -> None:
    assert decided(FRESH, 0) == Rotate(1, parent=0)
    assert decided(FRESH, 0, now=NOW + 3600) == Rotate(1, parent=0)


def test_an_answer_lost_for_an_hour_is_recovered_and_the_lost_one_is_dead() -> None:
    lost = after(FRESH, decided(FRESH, 0), now=NOW)

    found = decided(lost, 0, now=NOW + 3600)
    recovered = after(lost, found, now=NOW + 3600)

    assert found == Recover(2, parent=0)
    assert decided(recovered, 1, now=NOW + 3601) == Replay()
    assert decided(recovered, 2, now=NOW + 3601) == Rotate(3, parent=2)


def test_a_recovery_whose_answer_was_lost_too_is_repeated_and_then_a_replay() -> None:
    recovered = replace(FRESH, generation=2, parent=0, rotated_at=NOW)

    assert decided(recovered, 0, now=NOW + 30) == Repeat()
    assert decided(recovered, 0, now=NOW + 31) == Replay()


def test_once_the_successor_is_used_its_parent_s_parent_is_a_replay_at_once() -> None:
    first = after(FRESH, decided(FRESH, 0), now=NOW)
    second = after(first, decided(first, 1), now=NOW)

    assert decided(second, 0) == Replay()


def test_a_row_that_forgot_goes_on_from_what_the_user_holds() -> None:
    forgot = replace(SESSION, generation=5)

    rolled = after(forgot, decided(forgot, 7), now=NOW)

    assert (rolled.generation, rolled.parent) == (8, 7)
    assert decided(rolled, 7) == Repeat()
    assert decided(rolled, 5) == Replay()


def test_thief_and_owner_meet_at_the_second_one_s_next_refresh() -> None:
    stolen = SESSION.generation
    thief = after(SESSION, decided(SESSION, stolen), now=NOW)
    thief = after(thief, decided(thief, stolen + 1, now=NOW + 900), now=NOW + 900)

    assert decided(thief, stolen, now=NOW + 901) == Replay()


STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from([0, 1, 29, 30, 31, 900, 86399, 86400, 86401])), max_size=25
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(STEPS)
def test_whatever_is_presented_the_counter_only_grows_and_a_replay_is_the_end(steps: list[tuple[int, int]]) -> None:
    session, now = replace(FRESH, expires_at=NOW + 10**9, idle_seconds=10**9), NOW
    for generation, wait in steps:
        now += wait
        decision = decided(session, generation, now=now)
        changed = after(session, decision, now=now)

        assert changed.parent < changed.generation
        assert changed.generation >= session.generation
        assert session.closed_at is None or isinstance(decision, Refuse)
        assert not isinstance(decision, Refuse) or changed == session
        session = changed
