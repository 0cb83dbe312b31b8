"""Values that store tests put in, each with a few changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jotgate.core.model import Role, Session, StoredKey, StoredMacKey, User
from jotgate.store import audit, roles, sessions, users
from jotgate.store.ports import Store, Tx

NOW = 1_800_000_000
ADA = f"{1:032x}"
BOB = f"{2:032x}"
S1 = f"{0x11:032x}"
S2 = f"{0x12:032x}"
S3 = f"{0x13:032x}"
S1_AGAIN = f"{1 << 32 | 0x11:032x}"  # has the number of S1
BOB_AGAIN = f"{1 << 32 | 2:032x}"
SEED_HASH = bytes(range(32))


def user(user_id: str = ADA, **changes: Any) -> User:
    plain = User(
        id=user_id,
        email=f"{user_id[-2:]}@example.com",
        username=f"user{user_id[-2:]}",
        name="Ada Lovelace",
        password_hash="$argon2id$ada",
        roles=("manager", "member"),
        epoch=NOW,
        created_at=NOW,
    )
    return replace(plain, **changes)


def session(session_id: str = S1, **changes: Any) -> Session:
    plain = Session(
        id=session_id,
        user_id=ADA,
        client_id="jotgate",
        audience=("gym", "https://auth.example.com"),
        scope=None,
        generation=0,
        parent=0,
        seed_hash=SEED_HASH,
        opened_at=NOW,
        rotated_at=NOW,
        expires_at=NOW + 1000,
        idle_seconds=100,
        device="Firefox",
        address="192.0.2.7",
    )
    return replace(plain, **changes)


def signing_key(kid: str = "k1", **changes: Any) -> StoredKey:
    plain = StoredKey(kid, "ES256", '{"kty":"EC"}', b"sealed", created_at=NOW, published_at=NOW)
    return replace(plain, **changes)


def mac_key(key_id: int = 1, **changes: Any) -> StoredMacKey:
    return replace(StoredMacKey(key_id, b"sealed", created_at=NOW), **changes)


async def put_user(store: Store, *given: User) -> None:
    async with store.begin() as tx:
        for one in given or (user(),):
            await users.add(tx, one)


async def put_session(store: Store, *given: Session) -> None:
    async with store.begin() as tx:
        for one in given or (session(),):
            await sessions.open(tx, one)


async def put_before_numbers(tx: Tx, given: Sequence[User], opened: Sequence[Session]) -> None:
    """Users without roles, and sessions, in a database whose rows have no numbers yet."""
    for one in given:
        await tx.run(
            "insert into users (id, email, username, epoch, created_at) values (?, ?, ?, ?, ?)",
            *(one.id, one.email, one.username, one.epoch, one.created_at),
        )
    for each in opened:
        _, *found = sessions.values(each)
        await tx.run(f"insert into sessions ({sessions.COLUMNS}) values ({', '.join('?' * len(found))})", *found)


async def put_role(store: Store, name: str, *permissions: str) -> None:
    async with store.begin() as tx:
        await roles.put(tx, Role(name, permissions))


COUNT = "select count(*) from audit"
INSERT = "insert into audit (at, event) values (1, 'line')"


async def write(store: Store, lines: int = 1, *, durable: bool = True) -> None:
    """Lines of the audit, in one transaction: what a test writes that does not care for what."""
    async with store.begin(durable=durable) as tx:
        for _ in range(lines):
            await audit.append(tx, "line", now=NOW, detail="x" * 400)


async def lines(store: Store) -> int:
    """How many there are."""
    row = await store.read().one(COUNT)
    assert row
    return int(row[0])
