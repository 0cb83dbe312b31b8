"""Somebody who asks nodes and guards over HTTP: each attempt goes into the record, with its answer or without one."""

import asyncio
import base64
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.live.talk import Answer, Line, NoAnswerError, bearer
from torture.history import Event, History, session_of, token

PATIENCE_SECONDS = 10.0  # the client library's own time-out
_PAUSE_SECONDS = 0.1  # before another node is asked
_NONE = Answer(0, {}, b"")
_networks = itertools.count(1)
Ask = Callable[..., Awaitable[Answer]]  # asked with `node`


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be asked."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a login or refresh gave."""

    user: str
    session: str
    refresh: str
    access: str
    user_id: str
    role: int


class Caller:
    """One client with connections of its own; each request comes from a network of its own: nobody is throttled."""

    def __init__(
        self, history: History, nodes: Sequence[Place], guards: Sequence[Place], *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self.nodes, self.guards = nodes, guards
        self._history, self._patience = history, patience
        self._idle: dict[Place, list[Line]] = {}

    # --- one attempt each

    async def login(
        self, user: str, number: int, *, node: int, audience: str | None = None
    ) -> tuple[Answer, Held | None]:
        """With the user's password of this number."""
        body = {"email": f"{user}@example.com", "password": password(number)}
        body |= {"audience": audience} if audience else {}
        answer, event = await self._node(node, "/auth/login", body, Event("login", user, "", 0, 0, number=number))
        held = _held(user, answer)
        if held:
            event = replace(event, session=held.session, given=token(held.refresh))
        self._history.events.append(event)
        return answer, held

    async def refresh(self, held: Held, *, node: int) -> tuple[Answer, Held | None]:
        """By the refresh token."""
        event = Event("refresh", held.user, "", 0, 0, session=held.session, presented=token(held.refresh))
        answer, event = await self._node(node, "/auth/refresh", {"refresh_token": held.refresh}, event)
        fresh = _held(held.user, answer)
        if fresh:
            event = replace(event, given=token(fresh.refresh), number=fresh.role)
        self._history.events.append(event)
        return answer, fresh

    async def logout(self, held: Held, *, node: int) -> Answer:
        """By the refresh token."""
        event = Event("logout", held.user, "", 0, 0, session=held.session)
        return await self._noted(node, "/auth/logout", {"refresh_token": held.refresh}, event)

    async def new_password(self, held: Held, old: int, new: int, *, node: int) -> Answer:
        """From the password of one number to that of another."""
        body = {"current_password": password(old), "new_password": password(new)}
        event = Event("password", held.user, "", 0, 0, session=held.session, number=new)
        return await self._noted(node, "/auth/password", body, event, headers=bearer(held.access))

    async def new_role(self, admin: Held, user: str, user_id: str, number: int, *, node: int) -> Answer:
        """By an administrator: this role and no other."""
        event = Event("role", user, "", 0, 0, number=number)
        body = {"roles": [f"grade-{number}"]}
        path = f"/auth/admin/users/{user_id}"
        return await self._noted(node, path, body, event, headers=bearer(admin.access), method="PATCH")

    async def guarded(self, held: Held, guard: int) -> Answer:
        """With the access token, at a guard."""
        place = self.guards[guard]
        event = Event("guarded", held.user, "", 0, 0, session=held.session, number=held.role)
        answer, event = await self._ask(place, event, method="GET", path="/", headers=bearer(held.access))
        self._history.events.append(event)
        return answer

    # --- until it is settled

    async def insist(self, ask: Ask, *, first: int = 0) -> Answer:
        """Node after node, until one of them says yes or no."""
        node = first
        while True:
            answer = await ask(node=node % len(self.nodes))
            if 200 <= answer.status < 500 and answer.status != 429:
                return answer
            await asyncio.sleep(_PAUSE_SECONDS)
            node += 1

    async def insist_on_tokens(
        self, ask: Callable[..., Awaitable[tuple[Answer, Held | None]]], *, first: int = 0
    ) -> Held | None:
        """The same for what gives tokens; None: no."""
        kept: list[Held | None] = []

        async def asked(node: int) -> Answer:
            answer, held = await ask(node=node)
            kept.append(held)
            return answer

        await self.insist(asked, first=first)
        return kept[-1]

    async def close(self) -> None:
        """Hang up."""
        for line in itertools.chain.from_iterable(self._idle.values()):
            await line.close()

    # --- inside

    async def _noted(self, node: int, path: str, body: Any, event: Event, **more: Any) -> Answer:
        answer, event = await self._node(node, path, body, event, **more)
        self._history.events.append(event)
        return answer

    async def _node(
        self,
        node: int,
        path: str,
        body: Any,
        event: Event,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[Answer, Event]:
        place = self.nodes[node]
        told = {"X-Forwarded-For": _network(), **(headers or {})}
        return await self._ask(place, event, method=method, path=path, body=body, headers=told)

    async def _ask(self, place: Place, event: Event, **request: Any) -> tuple[Answer, Event]:
        idle = self._idle.setdefault(place, [])
        line = idle.pop() if idle else Line(place.port)
        if _is_over(line):
            await line.close()
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                answer = await line.request(**request)
        except (NoAnswerError, TimeoutError):
            await line.close()
            answer = _NONE
        idle.append(line)
        code = str(answer.json.get("code", "")) if answer.status >= 400 and answer.body.startswith(b"{") else ""
        return answer, replace(
            event, at=place.name, sent_at=sent_at, ended_at=time.monotonic(), status=answer.status, code=code
        )


def password(number: int) -> str:
    """A user's password of this number."""
    return f"a long enough passphrase, number {number}"


def _is_over(line: Line) -> bool:
    """Whether the other end has hung up meanwhile: no client sends anything there."""
    return line.reader is not None and (line.reader.at_eof() or line.reader.exception() is not None)


def _network() -> str:
    number = next(_networks)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _held(user: str, answer: Answer) -> Held | None:
    if answer.status != 200:
        return None
    refresh, access = answer.json["refresh_token"], answer.json["access_token"]
    said = _claims(access)
    return Held(user, session_of(refresh), refresh, access, str(said["sub"]), _number(said.get("roles", ())))


def _claims(access: str) -> Any:
    payload = access.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def _number(roles: Sequence[str]) -> int:
    return max((int(role.removeprefix("grade-")) for role in roles if role.startswith("grade-")), default=0)
