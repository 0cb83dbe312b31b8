"""FastAPI: the guard as a dependency."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Security

from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from tests.guard.conformance.table import ROUTES

KIND = "asgi"


def build(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/open")
    def opened() -> dict[str, None]:
        return {"sub": None}

    def add(path: str, dependency: Any, *methods: str) -> None:
        @app.api_route(path, methods=list(methods) or ["GET"])
        async def route(who: Annotated[Principal | None, dependency]) -> dict[str, str | None]:
            return {"sub": who.sub if who else None}

    add("/me", Depends(guard), "GET", "POST")
    add("/optional", Depends(guard.optional))
    add("/scope", Security(guard, scopes=["members:read"]))
    add("/all-scopes", Security(guard, scopes=["members:read", "payments:read"]))
    add("/fresh", Depends(guard.fresh(max_age=300)))
    for path in ("/role", "/any-role", "/any-scope"):
        wanted: dict[str, Any] = ROUTES[path]
        add(path, Depends(guard.require(**wanted)))

    @app.get("/inside")
    def inside(who: Annotated[Principal, Depends(guard)]) -> dict[str, str]:
        who.require(role="owner")
        return {"sub": who.sub}

    return app
