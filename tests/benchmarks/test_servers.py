import pytest

from benchmarks.over_http import Round
from benchmarks.servers import OIDC, OURS, POSTGRES, RAW, SQLITE, Who, goals_of, pictures, rows_of
from benchmarks.two_nodes import ALONE, ONE, TWO, bare_row, together
from benchmarks.two_nodes import rows_of as node_rows


def turns(*rates: float, cpu: float = 1e-3) -> list[Round]:
    return [Round(rate, cpu, p50=0.001, p99=0.002, generator=0.1) for rate in rates]


def seen(**changed: list[Round]) -> dict[Who, list[Round]]:
    told: dict[Who, list[Round]] = {
        (OURS, SQLITE): changed.get("ours", turns(4000, 5000, 3000, cpu=2e-4)),
        (RAW, SQLITE): changed.get("raw", turns(8000, 10_000, 6000, cpu=1e-4)),
        ("Slow", SQLITE): turns(100, 100, 100),
        ("Quick, threads", SQLITE): turns(700, 900, 500),
        ("Quick", SQLITE): changed.get("quick", turns(400, 500, 300)),
        (OIDC, "in memory"): changed.get("oidc", turns(1600, 2000, 1200)),
    }
    return told


def test_all_goals_are_met_at_their_limits() -> None:
    goals = goals_of(seen(), SQLITE)

    assert set(goals) == {(OURS, SQLITE), (RAW, SQLITE), ("Quick", SQLITE), (OIDC, "in memory")}
    assert all(goal.met for goal in goals.values())


@pytest.mark.parametrize(
    ("who", "changed"),
    [
        ((OURS, SQLITE), {"ours": turns(2999, 2998, 9000, cpu=2e-4), "quick": turns(1, 1, 1), "oidc": turns(1, 1, 1)}),
        ((RAW, SQLITE), {"raw": turns(1, 1, 1, cpu=0.9e-4)}),
        (("Quick", SQLITE), {"quick": turns(401, 501, 301)}),
        ((OIDC, "in memory"), {"oidc": turns(1601, 2001, 1201)}),
    ],
)
def test_a_goal_is_missed_beyond_its_limit(who: Who, changed: dict[str, list[Round]]) -> None:
    goals = goals_of(seen(**changed), SQLITE)

    assert [missed for missed, goal in goals.items() if not goal.met] == [who]


def test_a_peer_beyond_its_documentation_is_shown_but_is_no_goal() -> None:
    assert ("Quick, threads", SQLITE) not in goals_of(seen(), SQLITE)


def test_ratios_are_those_of_neighbouring_rounds() -> None:
    """The pace falls to a tenth in between: the ratio stays."""
    drifted = seen(ours=turns(4000, 400, 4000, cpu=2e-4), quick=turns(400, 40, 400))

    assert goals_of(drifted, SQLITE)["Quick", SQLITE].met


def test_the_table_names_ours_first_and_who_was_left_out() -> None:
    rows = rows_of(seen(), {(OIDC, "Valkey"): "left out: no npm"})

    assert [row.who for row in rows] == [
        OURS,
        RAW,
        f"{OIDC}, in memory",
        "Quick, threads",
        "Quick",
        "Slow",
        f"{OIDC}, Valkey",
    ]
    assert rows[-1].task.endswith(POSTGRES)
    assert rows[-1].note == "left out: no npm"


def test_the_plot_shows_who_was_measured() -> None:
    drawn = pictures(rows_of(seen(), {(OIDC, "Valkey"): "left out"}))["benchmarks.svg"]

    assert drawn.count("<rect") == 6
    assert "Valkey" not in drawn


def test_two_nodes_can_do_what_their_cores_can() -> None:
    one, two, alone = node_rows(turns(1000, cpu=1e-3), turns(1200, cpu=1.25e-3), turns(1500, cpu=0.8e-3))

    assert (one.who, two.who, alone.who) == (ONE, TWO, ALONE)
    assert "1.28 times that" in alone.note
    assert two.rate == pytest.approx(1600)
    assert two.goal is not None
    assert "(1.60)" in two.goal.text
    assert not two.goal.met


def test_what_the_cores_can_do_at_most_stands_beside() -> None:
    assert "1.60 times" in bare_row(turns(1000, cpu=1e-3), turns(1200, cpu=1.25e-3)).note


def test_nodes_that_play_together_add_up_what_each_core_can_do() -> None:
    rounds = iter([turns(600, cpu=1e-3)[0], turns(300, cpu=3e-3)[0]])

    played = together([lambda _seconds: next(rounds)] * 2)(1.0)

    assert played.rate == 900
    assert 2 / played.cpu == pytest.approx(1 / 1e-3 + 1 / 3e-3)
