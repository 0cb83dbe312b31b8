"""The quickstarts of FastAPI, Starlette and plain ASGI as processes, under uvicorn."""

from pathlib import Path

import httpx2
import pytest

from tests.guard.processes import running
from tests.guard.standin import StandIn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "litestar", "asgi"])
def test_a_quickstart_lets_in_whom_it_should(tmp_path: Path, issuer: StandIn, framework: str) -> None:
    command = ("uvicorn", "--port=0", f"examples.quickstart.{framework}_app:app")
    good = {"Authorization": f"Bearer {issuer.token()}"}
    member = {"Authorization": f"Bearer {issuer.token(roles=())}"}
    forged = {"Authorization": good["Authorization"][:-5] + "AAAAA"}

    with (
        running(tmp_path, *command, JOTGATE_ISSUER=issuer.url, PYTHONPATH=str(ROOT)) as url,
        httpx2.Client(base_url=url) as client,
    ):
        home = client.get("/")
        me = client.get("/me", headers=good)
        members = client.get("/members", headers=good)
        nobody = client.get("/me")
        refused = [client.get("/me", headers=forged), client.get("/members", headers=member)]

    assert (home.json(), me.json(), members.json()) == ({"hello": "stranger"}, {"sub": "ada"}, ["ada", "bob"])
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token_missing")
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (401, "signature_invalid"),
        (403, "role_missing"),
    ]
