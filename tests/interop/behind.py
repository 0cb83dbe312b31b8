"""The application behind a proxy: says what reached it, and counts."""

import json
from typing import Any

from tests.guard.standin import Send


class Behind:
    """Answers everything with the request as it arrived; header names in lower case, a name twice is a list of two."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        self.reached += 1
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode().lower(), []).append(value.decode("latin-1"))
        said = {"method": scope["method"], "path": scope["path"], "headers": headers, "body": body.decode()}
        content = json.dumps(said).encode()
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})
