"""The record: what it keeps of a token, and that it comes back as it was."""

from pathlib import Path

from jotgate.core.refresh_token import MacKey, mint
from tests.torture.told import cut, login, outage, refresh, refused, told
from torture.history import read, session_of, token, write

MAC = MacKey(1, bytes(32))
SESSION = "0123456789abcdef" * 2


def test_a_token_is_kept_as_its_generation_and_a_digest() -> None:
    first, second = (mint(SESSION, generation, bytes(16), mac=MAC) for generation in (7, 8))

    kept = token(first)

    assert session_of(first) == SESSION
    assert kept.generation == 7
    assert kept == token(first)
    assert kept.digest != token(second).digest
    assert kept.digest not in first


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    postgres = told(
        login(0), refresh(1), refresh(2, 1, **refused("unavailable", 503)), faults=(cut(1, 2), outage(3, 4))
    )
    sqlite = told()

    write([postgres, sqlite], tmp_path / "record")

    assert read(tmp_path / "record") == [postgres, sqlite]
