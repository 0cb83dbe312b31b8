"""A crowd of users and sessions, written in bulk as so many logins would have left them, while no server is there.

Two sessions a user, opened in the order of their ids, by users in random order; each from one of many devices. All
share one seed, so that any refresh token of any generation can be made for them: a `Crowd` deals them.
"""

import asyncio
import hashlib
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import asyncpg
import nacl.pwhash

from jotgate.assemble import opened
from jotgate.core import ids, refresh_token
from jotgate.core.ids import ENTROPY_BYTES, new_id
from jotgate.core.model import Session
from jotgate.core.passwords import Argon2
from jotgate.core.policy import DAY
from jotgate.core.refresh_token import MacKey
from jotgate.settings import Settings, load
from jotgate.store import sessions
from jotgate.store.ports import Value

PASSWORD = "correct horse battery staple"
SEED = bytes(16)
CHUNK = 50_000  # rows
DEVICES = tuple(
    f"Mozilla/5.0 (X11; Linux x86_64; rv:{major}.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari"
    for major in range(90, 150)
)
USER_COLUMNS = ("id", "email", "username", "name", "password_hash", "epoch", "created_at", "disabled_at", "number")
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many sessions from the beginning of their time on, in one database."""

    sessions: int
    base: int  # seconds since 1970: when the first of them logged in
    mac: MacKey
    closed: bool = False

    @property
    def users(self) -> int:
        """Each has two sessions, more or less."""
        return max(64, self.sessions // 2)

    def emails(self, count: int) -> list[str]:
        """Some who may log in with `PASSWORD`, from all over the crowd."""
        chosen = random.Random(1)
        return [email_of(chosen.randrange(self.users)) for _ in range(count)]

    def tokens(self, start: int, count: int, *, hand: int = 50_000) -> list[str]:
        """The `start`th refresh and those after it: each session of the hand in its turn, then each once more."""
        hand = min(hand, self.sessions)
        order = random.Random(2).sample(range(self.sessions), hand)
        turns = (divmod(at, hand) for at in range(start, start + count))
        return [
            refresh_token.mint(self.session_id(order[place]), generation, SEED, mac=self.mac)
            for generation, place in turns
        ]

    def session_id(self, number: int) -> str:
        """Ordered by time, as logins make them."""
        return new_id(self.opened_at(number) * 1000 + number % 1000, _entropy("session", number))

    def opened_at(self, number: int) -> int:
        """Spread over the ten days before `base` + 10 days."""
        return self.base + number * 10 * DAY // self.sessions

    def rows(self) -> Iterator[Row]:
        """All sessions."""
        chosen = random.Random(3)
        seed_hash = refresh_token.seed_hash(SEED)
        for number in range(self.sessions):
            opened = self.opened_at(number)
            user = chosen.randrange(self.users)
            session = Session(
                id=self.session_id(number),
                user_id=user_id(user),
                client_id="jotgate",
                audience=("https://auth.example.com",),
                scope=None,
                generation=0,
                parent=0,
                seed_hash=seed_hash,
                opened_at=opened,
                rotated_at=opened,
                expires_at=opened + 30 * DAY,
                idle_seconds=14 * DAY,
                device=DEVICES[user % len(DEVICES)],
                address=f"198.51.{user >> 8 & 255}.{user & 255}",
                closed_at=opened if self.closed else None,
                closed_by="logout" if self.closed else None,
            )
            place, *columns = sessions.values(session)
            yield *columns, place, ids.number(session.user_id)

    def user_rows(self) -> Iterator[Row]:
        """All users, with the same password."""
        cost = Argon2()
        made = nacl.pwhash.argon2id.str(
            PASSWORD.encode(), opslimit=cost.passes, memlimit=cost.memory_kib * 1024
        ).decode()
        for number in range(self.users):
            one = user_id(number)
            facts = (email_of(number), None, f"User {number}", made, self.base, self.base, None)
            yield one, *facts, ids.number(one)


def email_of(number: int) -> str:
    return f"user-{number}@example.com"


def user_id(number: int) -> str:
    return new_id(1_700_000_000_000 + number, _entropy("user", number))


def _entropy(kind: str, number: int) -> bytes:
    return hashlib.blake2b(f"{kind} {number}".encode(), digest_size=ENTROPY_BYTES).digest()


def fill(environment: Mapping[str, str], count: int, *, age_days: int = 10, closed: bool = False) -> Crowd:
    """A new installation with these settings, and a crowd in it; `age_days`: since the first login."""
    settings = load(environment)
    crowd = asyncio.run(_founded(settings, count, base=int(time.time()) - age_days * DAY, closed=closed))
    columns = (*(name.strip() for name in sessions.COLUMNS.split(",")), "number", "user_number")
    for table, names, rows in (("users", USER_COLUMNS, crowd.user_rows()), ("sessions", columns, crowd.rows())):
        if settings.postgres:
            asyncio.run(_copy(settings.postgres, table, names, rows))
        else:
            assert settings.database_path is not None
            _insert(settings.database_path, table, names, rows)
    return crowd


async def _founded(settings: Settings, count: int, *, base: int, closed: bool) -> Crowd:
    async with opened(settings) as env:
        return Crowd(count, base, env.keyring.current.mac, closed)


def _insert(database: Path, table: str, names: Sequence[str], rows: Iterator[Row]) -> None:
    marks = ", ".join("?" * len(names))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        connection.execute("pragma cache_size = -1000000")
        while chunk := list(islice(rows, CHUNK)):
            connection.execute("begin")
            connection.executemany(f"insert into {table} ({', '.join(names)}) values ({marks})", chunk)
            connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()


async def _copy(url: str, table: str, names: Sequence[str], rows: Iterator[Row]) -> None:
    connection = await asyncpg.connect(url)
    try:
        while chunk := list(islice(rows, CHUNK)):
            await connection.copy_records_to_table(table, records=chunk, columns=list(names))
        await connection.execute(f"vacuum (freeze, analyze) {table}")  # as it would have happened meanwhile
    finally:
        await connection.close()
