"""One's own account: who am I, register, change the password."""

from http import HTTPStatus

from msgspec import UNSET

from jotgate.core.model import User
from jotgate.errors import Refused
from jotgate.flows import users as users_flow
from jotgate.server.gate import Gate
from jotgate.server.reply import NO_CONTENT, Reply, ok
from jotgate.server.request import Request
from jotgate.server.schemas import MeAnswer, PasswordBody, RegisterBody, UserAnswer


async def me(gate: Gate, request: Request) -> Reply:
    """GET {prefix}/me: the user as stored now, the rest as the token says."""
    who = request.who
    user = await users_flow.get(gate.env, who.sub)
    return ok(
        MeAnswer(
            sub=who.sub,
            email=user.email,
            username=user.username,
            name=user.name,
            roles=who.roles,
            scope=who.claims.get("scope", ""),
            aud=who.claims["aud"],
            expires_at=who.claims["exp"],
            sid=who.sid or UNSET,
        )
    )


async def register(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/register."""
    if gate.policy.registration != "open":
        raise Refused("registration is closed")
    gate.browser.wants_cookies(request)  # raises for another site's page; a new user is not logged in yet
    body = await request.json(RegisterBody)
    user = await users_flow.register(
        gate.env,
        email=body.email,
        username=body.username,
        password=body.password,
        name=body.name,
        origin=request.origin(),
    )
    return ok(user_answer(user), status=HTTPStatus.CREATED)


async def password(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/password."""
    body = await request.json(PasswordBody)
    await users_flow.set_password(
        gate.env,
        request.who.sub,
        current=body.current_password,
        new=body.new_password,
        keep_session=request.who.sid,
        origin=request.origin(),
    )
    return NO_CONTENT


def user_answer(user: User) -> UserAnswer:
    """A user as the user or an administrator may see it."""
    return UserAnswer(
        id=user.id,
        email=user.email,
        username=user.username,
        name=user.name,
        roles=user.roles,
        created_at=user.created_at,
        disabled_at=user.disabled_at,
    )
