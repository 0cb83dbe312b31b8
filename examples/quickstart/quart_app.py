"""Quart, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 uvicorn examples.quickstart.quart_app:app --port 8001`."""

from quart import Quart, websocket

from jotgate import Guard
from jotgate.guard.flask import current_principal

app = Quart(__name__)
guard = Guard.from_env()
guard.flask(app)


@app.get("/")
@guard.required(optional=True)
async def home() -> dict[str, str]:
    return {"hello": current_principal.sub if current_principal else "stranger"}


@app.get("/me")
@guard.required()
async def me() -> dict[str, str]:
    return {"sub": current_principal.sub}


@app.get("/members")
@guard.required(role="manager")
async def members() -> list[str]:
    return ["ada", "bob"]


@app.websocket("/echo")
@guard.required()
async def echo() -> None:
    while True:
        await websocket.send(f"{current_principal.sub}: {await websocket.receive()!r}")
