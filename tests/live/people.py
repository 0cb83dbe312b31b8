"""Many users at once: written beside the running server, all with one password, so that no hashing holds a test up."""

import asyncio
import os
import time
from collections.abc import Sequence

import nacl.pwhash

from jotgate.assemble import open_store
from jotgate.core.ids import ENTROPY_BYTES, new_id
from jotgate.core.model import User
from jotgate.core.passwords import Argon2
from jotgate.settings import Settings, load
from jotgate.store import users
from tests.live.process import Server

PASSWORD = "a long enough passphrase"


def settle(server: Server, names: Sequence[str], *, disabled: bool = False) -> list[str]:
    """Users `NAME@example.com`; gives the addresses."""
    emails = [f"{name}@example.com" for name in names]
    asyncio.run(_settle(load(server.environment), emails, disabled=disabled))
    return emails


def network(number: int) -> str:
    """The address of a client in a network of its own."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


async def _settle(settings: Settings, emails: Sequence[str], *, disabled: bool) -> None:
    cost = Argon2()
    phc = nacl.pwhash.argon2id.str(PASSWORD.encode(), opslimit=cost.passes, memlimit=cost.memory_kib * 1024).decode()
    now = int(time.time())
    store = await open_store(settings)
    try:
        async with store.begin() as tx:
            for email in emails:
                user_id = new_id(now * 1000, os.urandom(ENTROPY_BYTES))
                await users.add(tx, _user(user_id, email, phc, now=now, disabled=disabled))
    finally:
        await store.close()


def _user(user_id: str, email: str, phc: str, *, now: int, disabled: bool) -> User:
    return User(
        id=user_id,
        email=email,
        username=None,
        name=None,
        password_hash=phc,
        roles=(),
        epoch=now,
        created_at=now,
        disabled_at=now if disabled else None,
    )
