"""The examples of `docs/client.md` are run, as they stand there but for names and addresses."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

from tests.client.conftest import Client
from tests.client.guarded import Service
from tests.client.wire import Wire
from tests.live.people import PASSWORD

DOCS = Path(__file__).parents[2] / "docs" / "client.md"


def test_the_examples_work(client: Client, api: Service, wire: Wire, tmp_path: Path) -> None:
    sources = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    tokens = client.login().tokens
    names: dict[str, Any] = {"access_token": tokens.access, "refresh_token": tokens.refresh}
    changes = {
        "https://auth.example.com": wire.url,
        "https://members.example.com": api.url,
        "ada@example.com": client.email,
        'password="..."': f'password="{PASSWORD}"',
        "~/.gym": str(tmp_path),
        'prefix=""), username="ada"': f'prefix="/auth"), email="{client.email}"',
    }

    async def run(source: str) -> None:
        for old, new in changes.items():
            source = source.replace(old, new)
        running = eval(compile(source, "docs/client.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(running):
            await running

    for source in sources:
        asyncio.run(run(source))

    assert len(sources) == 7
    assert api.statuses == [200] * 4
