"""Set-up: a link that makes the first administrator, once, within 30 minutes. The store keeps a digest of it."""

import hashlib
from urllib.parse import urlsplit

from jotgate.core import identifiers, ids, passwords
from jotgate.core.model import User
from jotgate.core.policy import MINUTE
from jotgate.core.roles import ADMIN_ROLE
from jotgate.errors import Invalid
from jotgate.flows.env import Env
from jotgate.jose import b64
from jotgate.store import audit, roles, setup, users
from jotgate.store.ports import Tx

LINK_SECONDS = 30 * MINUTE
_TOKEN_BYTES = 32


async def needed(env: Env) -> bool:
    """Whether nobody can administrate yet."""
    return not await roles.holders(env.store.read(), ADMIN_ROLE)


async def make(env: Env) -> str:
    """The token of a new link; older links are void."""
    token = b64.encode(env.entropy(_TOKEN_BYTES))

    async def change(tx: Tx) -> None:
        await roles.one_by_one(tx)
        await setup.put(tx, _digest(token), int(env.clock()) + LINK_SECONDS)

    await env.store.write(change)
    return token


async def use(env: Env, token: str, *, email: str, password: str) -> User:
    """The administrator, made. Raises `Invalid`, also for a link that is used up or too old; then nothing is made."""
    now = int(env.clock())
    if not await setup.holds(env.store.read(), _digest(token), now):  # no hashing for strangers
        raise _void()
    address, username = identifiers.for_login(email, None, login_by=env.policy.login_identifiers)
    password = passwords.acceptable(password, policy=env.policy, facts=(email, urlsplit(env.issuer).hostname or ""))
    user = User(
        id=ids.new_id(int(env.clock() * 1000), env.entropy(ids.ENTROPY_BYTES)),
        email=address,
        username=username,
        name=None,
        password_hash=await env.hasher.hash(password, ""),
        roles=(ADMIN_ROLE,),
        epoch=0,
        created_at=now,
    )

    async def change(tx: Tx) -> None:
        await roles.one_by_one(tx)
        if not await setup.take(tx, _digest(token), now):
            raise _void()
        await users.add(tx, user)
        await audit.append(tx, "set_up", now=now, user_id=user.id)

    await env.store.write(change)
    return user


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _void() -> Invalid:
    return Invalid("this set-up link was used, or is too old: start jotgate again for a new one", field="token")
