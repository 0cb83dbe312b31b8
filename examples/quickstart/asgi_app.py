"""Any ASGI application, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 uvicorn examples.quickstart.asgi_app:app`."""

import json

from jotgate import Guard
from jotgate.guard.asgi import GuardMiddleware, Receive, Scope, Send


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    who = scope.get("principal")  # None where no token is needed
    found: object = {"sub": who.sub} if who else {"hello": "stranger"}
    if who and scope["path"] == "/members":
        who.require(role="manager")
        found = ["ada", "bob"]
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(found).encode()})


app = GuardMiddleware(application, Guard.from_env(), exclude=["/"])
