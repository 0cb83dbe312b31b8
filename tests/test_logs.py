"""The log of `jotgate serve`: one record, one line, no token in it."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from jotgate import logs

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
REFRESH = "jgr_AUlgOt4BogDtCbJ-LoZ3zKI_LatNAAAAAPqUrWVhBk4t"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What goes to standard error; logging is as before at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    for name in ("uvicorn", "jotgate.access"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_record_is_a_line_of_text(written: Callable[[], str]) -> None:
    logs.start(log_format="text", level="info")

    logging.getLogger("jotgate").info("%s opened", "a gate", extra={"status": 200, "code": ""})

    assert written().endswith("Z INFO jotgate: a gate opened status=200\n")


def test_a_record_is_an_object_of_json(written: Callable[[], str]) -> None:
    logs.start(log_format="json", level="info")

    logging.getLogger("jotgate").info("%s opened", "a gate", extra={"status": 200, "of": {1}})

    record = json.loads(written())
    assert (record["level"], record["logger"], record["message"], record["status"]) == (
        "info",
        "jotgate",
        "a gate opened",
        200,
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("token", [TOKEN, REFRESH])
def test_a_token_that_slips_into_a_record_is_cut_out(written: Callable[[], str], log_format: str, token: str) -> None:
    logs.start(log_format=log_format, level="info")

    try:
        int(token)
    except ValueError:
        logging.getLogger("other").exception("with %s", token, extra={"header": f"Bearer {token}"})

    log = written()
    assert token not in log
    assert token.rpartition(".")[2] not in log
    assert "(token)" in log
    assert "Traceback" in log


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_came_in_makes_no_record_of_its_own(written: Callable[[], str], log_format: str) -> None:
    logs.start(log_format=log_format, level="info")

    logging.getLogger("jotgate").info("asked for %s", "x\r\n2026-01-01T00:00:00.000Z INFO jotgate: all is well")

    assert len(written().splitlines()) == 1


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_a_line_for_each_request_is_for_debugging(written: Callable[[], str], level: str, *, shown: bool) -> None:
    logs.start(log_format="text", level=level)

    logging.getLogger("jotgate.access").info("request")

    assert bool(written()) is shown
