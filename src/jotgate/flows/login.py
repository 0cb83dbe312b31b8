"""Login: a password opens a session. Unknown, wrong and disabled take the same way and the same time.

    throttle -> look up -> hash (somebody's or nobody's) -> count -> decide -> open, if all is still as it was

A failure is counted, a success is not. Of many guesses at once no more than the throttle allows hear whether they were
right: each counts as a failure before anybody hears, and is forgiven if it was none. A hash with old parameters is
made anew after the answer.
"""

from dataclasses import dataclass

from jotgate.core import identifiers, ids, passwords, throttle
from jotgate.core.model import Grant, Origin, Session, TokenPair, User
from jotgate.core.refresh_token import SEED_BYTES, seed_hash
from jotgate.core.roles import valid_permission
from jotgate.core.rotation import FIRST_GENERATION, NO_PARENT
from jotgate.errors import Invalid, LoginError, PasswordRefused, Throttled
from jotgate.flows import mint
from jotgate.flows.env import Env
from jotgate.store import roles, sessions, users

_MAX_SCOPES = 100
_NORMALISE = {"email": identifiers.normalise_email, "username": identifiers.normalise_username}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the tokens are for."""

    audience: tuple[str, ...]
    scope: str | None  # narrows what the roles give
    client_id: str
    origin: Origin


async def login(
    env: Env,
    kind: str,
    identifier: str,
    *,
    password: str,
    origin: Origin,
    audience: tuple[str, ...] | None = None,
    scope: str | None = None,
    client_id: str = "jotgate",
) -> TokenPair:
    """`kind` is `email` or `username`. Raises `LoginError`, `Throttled`, `Busy`, `Invalid`."""
    if kind not in env.policy.login_identifiers:
        raise Invalid(f"log in by {' or '.join(env.policy.login_identifiers)}", field=kind)
    wanted = Wanted(_audience(env, audience), _scope(scope), client_id, origin)
    password = _normalised_password(env, password)
    user = await _identify(env, kind, identifier, password=password, origin=origin)
    tokens = await _open(env, user, wanted)
    if tokens is None:  # disabled, or another hash, while we were hashing: look again
        user = await _identify(env, kind, identifier, password=password, origin=origin)
        tokens = await _open(env, user, wanted)
    if tokens is None:
        raise LoginError("the user changed twice during the login")
    if user.password_hash and env.hasher.outdated(user.password_hash):
        env.hasher.afterwards(_hash_better(env, user, password, network=throttle.network(origin.address)))
    return tokens


async def _identify(env: Env, kind: str, identifier: str, *, password: str, origin: Origin) -> User:
    """Whose password it is. Raises `LoginError` when it is nobody's; the same work is done for everybody."""
    value = _normalised(kind, identifier)
    network = throttle.network(origin.address)
    limits = throttle.limits_for(f"{kind} {value}", network, blind=env.keyring.blind)
    if wait := await env.throttle.wait(limits):
        raise Throttled(wait)
    user = await users.by_identifier(env.store.read(), kind, value)
    right = await env.hasher.verify(user.password_hash if user else None, password, network)
    guess = await env.throttle.admit(limits)
    if user is None or not right or user.disabled_at is not None:
        await guess.wrong()
        known = "the user is disabled" if user and user.disabled_at is not None else "wrong password"
        raise LoginError(known if user else "no such user")
    await guess.right()
    return user


async def _open(env: Env, user: User, wanted: Wanted) -> TokenPair | None:
    """The tokens, the session durably opened where there are sessions; None: the user is not as it was any more."""
    now = int(env.clock())
    seed = env.entropy(SEED_BYTES)
    if not env.policy.sessions:
        grant = await _stateless(env, user, wanted, now=now)
        return None if grant is None else mint.pair(env, grant, generation=None, seed=seed, now=now)
    session = _session(env, user, wanted, seed=seed, now=now)
    generation = FIRST_GENERATION if env.policy.refresh else None
    grant = await sessions.open(env.store.keep(), session, password_hash=user.password_hash)
    return None if grant is None else mint.pair(env, grant, generation=generation, seed=seed, now=now)


def _session(env: Env, user: User, wanted: Wanted, *, seed: bytes, now: int) -> Session:
    policy = env.policy
    return Session(
        id=ids.new_id(int(env.clock() * 1000), env.entropy(ids.ENTROPY_BYTES)),
        user_id=user.id,
        client_id=wanted.client_id,
        audience=wanted.audience,
        scope=wanted.scope,
        generation=FIRST_GENERATION,
        parent=NO_PARENT,
        seed_hash=seed_hash(seed),
        opened_at=now,
        rotated_at=now,
        expires_at=now + (policy.refresh_ttl if policy.refresh else policy.access_ttl),
        idle_seconds=policy.refresh_idle if policy.refresh else policy.access_ttl,
        device=wanted.origin.device or None,
        address=wanted.origin.address or None,
    )


async def _stateless(env: Env, user: User, wanted: Wanted, *, now: int) -> Grant | None:
    """The facts without a session: nothing is stored, no two tokens have anything in common."""
    tx = env.store.read()
    current = await users.by_id(tx, user.id)
    if current is None or current.disabled_at is not None or current.password_hash != user.password_hash:
        return None
    return Grant(
        session_id=None,
        user_id=user.id,
        client_id=wanted.client_id,
        audience=wanted.audience,
        scope=wanted.scope,
        roles=user.roles,
        permissions=await roles.permissions(tx, user.roles),
        epoch=user.epoch,
        auth_time=now,
        amr="pwd",
        expires_at=now + env.policy.access_ttl,
        idle_seconds=0,
        email=user.email,
        username=user.username,
        name=user.name,
    )


async def _hash_better(env: Env, user: User, password: str, *, network: str) -> None:
    phc = await env.hasher.hash(password, network)
    await env.store.write(lambda tx: users.set_password(tx, user.id, phc, instead_of=user.password_hash))


def _normalised(kind: str, identifier: str) -> str:
    """The identifier as users have it; what nobody can have becomes the empty one, which nobody has."""
    try:
        return _NORMALISE[kind](identifier)
    except Invalid:
        return ""


def _normalised_password(env: Env, password: str) -> str:
    """As it was hashed; what can be no password becomes the empty one, which is nobody's."""
    try:
        return passwords.normalised(password, policy=env.policy)
    except PasswordRefused:
        return ""


def _audience(env: Env, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """RFC 8707 section 2: for whom the tokens are; the issuer itself can always be asked for."""
    if not asked:
        return env.policy.audience
    if not {*asked} <= {*env.policy.audience, env.issuer}:
        raise Invalid("this issuer does not serve such an audience", field="audience")
    return tuple(dict.fromkeys(asked))


def _scope(asked: str | None) -> str | None:
    """RFC 6749 section 3.3."""
    wanted = (asked or "").split()
    if len(wanted) > _MAX_SCOPES or not all(map(valid_permission, wanted)):
        raise Invalid("a scope is up to 100 words of printable ASCII", field="scope")
    return " ".join(dict.fromkeys(wanted)) or None
