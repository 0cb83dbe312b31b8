from pathlib import Path

import msgspec

from benchmarks.report import Goal, Part, Row, at_least, at_most, document, read, run_of, table

ROWS = [Row("brew", "ours", cpu=1e-6, wall=2e-6, note="hot", goal=at_most("at most {limit} ({value:.1f})", 1.5, 2))]


def test_a_goal_is_met_at_its_limit() -> None:
    assert at_most("", 2, 2).met
    assert not at_most("", 2.01, 2).met
    assert at_least("", 2, 2).met
    assert not at_least("", 1.99, 2).met


def test_a_run_is_read_as_it_was_kept(tmp_path: Path) -> None:
    run = run_of({"tea": Part(ROWS, 1.5, {"jotgate": "1"})}, quick=False)
    kept = tmp_path / "run.json"
    kept.write_text(document(run))

    assert read(kept) == run


def test_a_kept_run_holds_rows_and_goals_as_data() -> None:
    run = msgspec.json.decode(document(run_of({"tea": Part(ROWS)}, quick=True)))

    assert run["quick"] is True
    assert run["parts"]["tea"]["rows"][0]["goal"] == {"text": "at most 2 (1.5)", "met": True}


def test_the_table_says_a_task_once_and_whether_goals_are_met() -> None:
    rows = [*ROWS, Row("brew", "theirs", rate=12.0, goal=Goal("more", met=False))]

    _, _, first, second = table(rows).splitlines()

    assert first.split() == ["brew", "ours", "1.00", "2.00", "500,000", "hot", "at", "most", "2", "(1.5):", "met"]
    assert second.split() == ["theirs", "12.0", "more:", "NOT", "MET"]
