"""Administration under {prefix}/admin/: users and their sessions, roles, keys."""

from http import HTTPStatus

from msgspec import UNSET

from jotgate.core import throttle
from jotgate.core.model import StoredKey
from jotgate.errors import Invalid
from jotgate.flows import keys as keys_flow
from jotgate.flows import roles as roles_flow
from jotgate.flows import sessions as sessions_flow
from jotgate.flows import users as users_flow
from jotgate.server.account import user_answer
from jotgate.server.gate import Gate
from jotgate.server.reply import NO_CONTENT, Reply, ok
from jotgate.server.request import Request
from jotgate.server.schemas import (
    KeyAnswer,
    KeysAnswer,
    NewPasswordBody,
    RoleAnswer,
    RoleBody,
    RolesAnswer,
    RotateBody,
    SessionsAnswer,
    UserBody,
    UserChange,
    UsersAnswer,
)
from jotgate.server.session import session_answer

_PAGE = 100
_MAX_PAGE = 1000

# --- users


async def users(gate: Gate, request: Request) -> Reply:
    """GET users?after=ID&limit=NUMBER, oldest first."""
    query = request.query()
    limit = _limit(query.get("limit", str(_PAGE)))
    found = await users_flow.page(gate.env, query.get("after", ""), limit)
    following = found[-1].id if len(found) == limit else None
    return ok(UsersAnswer([user_answer(user) for user in found], following))


async def add_user(gate: Gate, request: Request) -> Reply:
    """POST users."""
    body = await request.json(UserBody)
    user = await users_flow.add(
        gate.env,
        email=body.email,
        username=body.username,
        name=body.name,
        password=body.password,
        roles=body.roles,
        network=throttle.network(request.address),
        actor=request.who.sub,
    )
    return ok(user_answer(user), status=HTTPStatus.CREATED)


async def user(gate: Gate, request: Request) -> Reply:
    """GET users/{id}."""
    return ok(user_answer(await users_flow.get(gate.env, request.target)))


async def change_user(gate: Gate, request: Request) -> Reply:
    """PATCH users/{id}: what is left out stays."""
    body = await request.json(UserChange)
    env, actor, user_id = gate.env, request.who.sub, request.target
    await users_flow.get(env, user_id)  # nothing is changed of somebody who is not there
    if body.roles is not UNSET:
        await users_flow.set_roles(env, user_id, body.roles, actor=actor)
    if body.name is not UNSET:
        await users_flow.rename(env, user_id, body.name, actor=actor)
    if body.disabled is not UNSET:
        await (users_flow.disable if body.disabled else users_flow.enable)(env, user_id, actor=actor)
    return await user(gate, request)


async def remove_user(gate: Gate, request: Request) -> Reply:
    """DELETE users/{id}."""
    await users_flow.remove(gate.env, request.target, actor=request.who.sub)
    return NO_CONTENT


async def reset_password(gate: Gate, request: Request) -> Reply:
    """POST users/{id}/password."""
    body = await request.json(NewPasswordBody)
    network = throttle.network(request.address)
    await users_flow.reset_password(gate.env, request.target, body.new_password, network=network, actor=request.who.sub)
    return NO_CONTENT


async def user_sessions(gate: Gate, request: Request) -> Reply:
    """GET users/{id}/sessions."""
    await users_flow.get(gate.env, request.target)
    rows = await sessions_flow.list_own(gate.env, request.target)
    return ok(SessionsAnswer([session_answer(row, current=row.id == request.who.sid) for row in rows]))


async def end_session(gate: Gate, request: Request) -> Reply:
    """DELETE sessions/{id}: anybody's."""
    await sessions_flow.end(gate.env, request.target, actor=request.who.sub)
    return NO_CONTENT


# --- roles


async def roles(gate: Gate, _request: Request) -> Reply:
    """GET roles."""
    found = await roles_flow.list_all(gate.env)
    return ok(RolesAnswer([RoleAnswer(role.name, role.permissions) for role in found]))


async def set_role(gate: Gate, request: Request) -> Reply:
    """PUT roles/{name}: exactly these permissions."""
    body = await request.json(RoleBody)
    role = await roles_flow.set_role(gate.env, request.target, body.permissions, actor=request.who.sub)
    return ok(RoleAnswer(role.name, role.permissions))


async def remove_role(gate: Gate, request: Request) -> Reply:
    """DELETE roles/{name}."""
    await roles_flow.remove_role(gate.env, request.target, actor=request.who.sub)
    return NO_CONTENT


# --- keys


async def keys(gate: Gate, _request: Request) -> Reply:
    """GET keys."""
    return ok(KeysAnswer([_key_answer(key) for key in await keys_flow.list_all(gate.env)]))


async def rotate_keys(gate: Gate, request: Request) -> Reply:
    """POST keys/rotate."""
    body = await request.json_if_any(RotateBody)
    await keys_flow.rotate(gate.env, at_once=body.at_once, actor=request.who.sub)
    return await keys(gate, request)


async def revoke_key(gate: Gate, request: Request) -> Reply:
    """POST keys/{kid}/revoke. The caller's own token may be one that is dead now."""
    await keys_flow.revoke(gate.env, request.target, actor=request.who.sub)
    return await keys(gate, request)


def _key_answer(key: StoredKey) -> KeyAnswer:
    return KeyAnswer(
        kid=key.kid,
        alg=key.alg,
        state=keys_flow.state(key),
        created_at=key.created_at,
        signing_at=key.signing_at,
        retiring_at=key.retiring_at,
    )


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_PAGE)) or not 1 <= int(text) <= _MAX_PAGE:
        raise Invalid(f"limit: a number from 1 to {_MAX_PAGE}", field="limit")
    return int(text)
