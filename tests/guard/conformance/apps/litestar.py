"""The routes of the conformance table in Litestar."""

from typing import Any

from litestar import Litestar, Request, get, route

from jotgate.guard.guard import Guard

KIND = "asgi"
Who = dict[str, str | None]


def build(guard: Guard) -> Litestar:
    auth = guard.litestar()

    @get("/open", opt={"exclude_from_auth": True})
    async def nobody() -> Who:
        return {"sub": None}

    @route("/me", http_method=["GET", "POST"], status_code=200)
    async def me(request: Request[Any, Any, Any]) -> Who:
        return {"sub": request.user.sub}

    @get("/optional", opt={"auth_optional": True})
    async def optional(request: Request[Any, Any, Any]) -> Who:
        return {"sub": request.user.sub if request.user else None}

    @get("/inside")
    async def inside(request: Request[Any, Any, Any]) -> Who:
        request.user.require(role="owner")
        return {"sub": request.user.sub}

    async def who(request: Request[Any, Any, Any]) -> Who:
        return {"sub": request.user.sub}

    guarded = {
        "/role": auth.requires(role="manager"),
        "/any-role": auth.requires(role=["owner", "manager"], match="any"),
        "/scope": auth.requires(scope="members:read"),
        "/all-scopes": auth.requires(scope="members:read payments:read"),
        "/any-scope": auth.requires(scope="payments:write members:read", match="any"),
        "/fresh": auth.requires(max_age=300),
    }
    routes = [get(path, guards=[required])(who) for path, required in guarded.items()]
    return Litestar([nobody, me, optional, inside, *routes], plugins=[auth])
