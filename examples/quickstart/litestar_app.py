"""Litestar: `JOTGATE_ISSUER=http://127.0.0.1:8000 uvicorn examples.quickstart.litestar_app:app --port 8001`."""

from typing import Any

from litestar import Litestar, Request, get

from jotgate import Guard

auth = Guard.from_env().litestar(exclude=["/schema", "/schema/*"])


@get("/", opt={"auth_optional": True})
async def home(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"hello": request.user.sub if request.user else "stranger"}


@get("/me")
async def me(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"sub": request.user.sub}


@get("/members", guards=[auth.requires(role="manager")])
async def members() -> list[str]:
    return ["ada", "bob"]


app = Litestar([home, me, members], plugins=[auth])
