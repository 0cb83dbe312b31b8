"""What anybody may read: keys, metadata, health, figures."""

import pytest

from jotgate.jose import jwks
from tests.server.issuing import ISSUER, House, issuing

pytestmark = pytest.mark.anyio


async def test_public_keys_are_published_to_be_kept_for_five_minutes(house: House) -> None:
    answer = await house.http.get("/.well-known/jwks.json")

    keys = jwks.parse(answer.content).keys
    assert [key.alg for key in keys] == ["ES256", "ES256"]  # signing, and the next one
    assert all(key.private is None for key in keys)
    assert '"d"' not in answer.text
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["etag"].startswith('"')


async def test_a_set_that_is_known_already_is_304(house: House) -> None:
    first = await house.http.get("/.well-known/jwks.json")
    etag = first.headers["etag"]

    known = [etag, f'"other", {etag}', f"W/{etag}", "*"]
    answers = [await house.http.get("/.well-known/jwks.json", headers={"if-none-match": tag}) for tag in known]
    other = await house.http.get("/.well-known/jwks.json", headers={"if-none-match": '"other"'})

    assert {answer.status_code for answer in answers} == {304}
    assert answers[0].content == b""
    assert answers[0].headers["etag"] == etag
    assert answers[0].headers["cache-control"] == "public, max-age=300"
    assert other.status_code == 200


async def test_another_set_has_another_etag(house: House) -> None:
    before = (await house.http.get("/.well-known/jwks.json")).headers["etag"]
    root = await house.administrator()
    await house.http.post("/auth/admin/keys/rotate", json={"at_once": True}, headers=root)

    after = (await house.http.get("/.well-known/jwks.json")).headers["etag"]

    assert after != before


async def test_a_shared_secret_is_not_published() -> None:
    async with issuing("classic") as house:
        answer = await house.http.get("/.well-known/jwks.json")

    assert answer.json() == {"keys": []}


async def test_metadata_says_what_exists_and_nothing_else(house: House) -> None:
    answer = await house.http.get("/.well-known/oauth-authorization-server")

    metadata = answer.json()
    assert metadata["issuer"] == ISSUER
    assert metadata["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert "token_endpoint" not in metadata


async def test_health_is_alive_and_readiness_looks_around(house: House) -> None:
    assert (await house.http.get("/healthz")).json() == {"status": "ok"}
    assert (await house.http.get("/readyz")).json() == {"status": "ready"}


async def test_while_draining_each_answer_is_the_last_of_its_connection(house: House) -> None:
    before = await house.http.get("/healthz")
    house.app.retire()
    after = await house.http.get("/healthz")

    assert ("connection" in before.headers, after.headers["connection"]) == (False, "close")
    assert b"jotgate_ready 0.0" in (await house.http.get("/metrics")).content


async def test_while_draining_it_is_alive_and_not_ready(house: House) -> None:
    await house.http.get("/readyz")

    house.app.retire()

    assert (await house.http.get("/healthz")).status_code == 200
    answer = await house.http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_an_older_schema_is_not_ready(house: House) -> None:
    await house.http.get("/readyz")
    async with house.env.store.begin() as tx:
        await tx.run("delete from jotgate_migrations")

    assert (await house.http.get("/readyz")).status_code == 503


async def test_figures_count_answers_by_route_and_code_and_show_nobody(house: House) -> None:
    await house.user()
    tokens = await house.login()
    for token in (tokens["refresh_token"], tokens["refresh_token"], "jgr_x"):
        await house.http.post("/auth/refresh", json={"refresh_token": token})
    await house.http.get("/a-secret-path")
    await house.http.request("BREW", "/auth/me")

    answer = await house.http.get("/metrics")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "jotgate_ready 1.0" in lines
    assert 'jotgate_requests_total{code="",method="POST",route="/auth/login",status="200"} 1.0' in lines
    assert 'jotgate_requests_total{code="",method="POST",route="/auth/refresh",status="200"} 2.0' in lines
    for decision in ("rotate", "repeat", "refuse"):
        assert f'jotgate_refreshes_total{{decision="{decision}"}} 1.0' in lines
    refused = 'jotgate_requests_total{code="refresh_invalid",method="POST",route="/auth/refresh",status="401"} 1.0'
    assert refused in lines
    assert 'jotgate_requests_total{code="not_found",method="-",route="-",status="404"} 1.0' in lines
    assert 'jotgate_requests_total{code="method_not_allowed",method="-",route="-",status="405"} 1.0' in lines
    assert 'jotgate_request_seconds_bucket{le="+Inf",route="/auth/refresh"} 3.0' in lines
    assert 'jotgate_request_seconds_count{route="/auth/refresh"} 3.0' in lines
    for secret in ("secret", "ada", "BREW", tokens["access_token"], tokens["refresh_token"], "192.0.2.7"):
        assert secret not in answer.text
