"""The browser module as it is served: small, itself, and for whoever may import it."""

import gzip
import json
import re
from typing import Any

import pytest

from jotgate.core.policy import PROFILES, policy_for
from jotgate.server import script
from jotgate.server.gate import Edge
from tests.server.issuing import ISSUER, House, issuing

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.com"


def served(text: str) -> Any:
    """What the issuer says of itself in the module."""
    (line,) = re.findall(r"^const SERVED = (\{.*\});", text, re.MULTILINE)
    return json.loads(line)


@pytest.mark.parametrize("transport", ["bearer", "cookie", "both"])
async def test_it_is_at_most_4_kib_gzipped(transport: str) -> None:
    async with issuing(transport=transport, refresh=False) as house:
        answer = await house.http.get("/auth/client.js")

    assert len(gzip.compress(answer.content, 9)) <= 4096


async def test_it_is_javascript_that_anybody_may_keep_for_an_hour(house: House) -> None:
    answer = await house.http.get("/auth/client.js")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


async def test_it_imports_nothing(house: House) -> None:
    text = (await house.http.get("/auth/client.js")).text

    assert not re.search(r"^\s*import\b|\bimport\(|\beval\(|\bFunction\(", text, re.MULTILINE)


async def test_head_has_the_length_and_no_body(house: House) -> None:
    whole = await house.http.get("/auth/client.js")

    answer = await house.http.head("/auth/client.js")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(whole.content))
    assert answer.headers["etag"] == whole.headers["etag"]


async def test_what_is_known_already_is_304(house: House) -> None:
    etag = (await house.http.get("/auth/client.js")).headers["etag"]

    known = await house.http.get("/auth/client.js", headers={"if-none-match": etag})
    other = await house.http.get("/auth/client.js", headers={"if-none-match": '"other"'})

    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == etag
    assert "content-type" not in known.headers
    assert other.status_code == 200


async def test_pages_of_listed_origins_may_import_it_and_no_others() -> None:
    async with issuing(edge=Edge(cors_origins=(PAGE,))) as house:
        listed = await house.http.get("/auth/client.js", headers={"origin": PAGE})
        etag = {"if-none-match": listed.headers["etag"]}
        again = await house.http.get("/auth/client.js", headers={"origin": PAGE, **etag})
        other = await house.http.get("/auth/client.js", headers={"origin": "https://evil.example"})

    assert [answer.headers["access-control-allow-origin"] for answer in (listed, again)] == [PAGE, PAGE]
    assert "access-control-allow-origin" not in other.headers
    assert {answer.headers["vary"] for answer in (listed, again, other)} == {"Origin"}  # caches keep them apart
    assert other.headers["cross-origin-resource-policy"] == "same-origin"  # nor by <script src>


@pytest.mark.parametrize("transport", ["bearer", "cookie", "both"])
@pytest.mark.parametrize("refresh", [True, False])
async def test_it_says_how_tokens_travel_here(transport: str, *, refresh: bool) -> None:
    async with issuing(transport=transport, refresh=refresh) as house:
        text = (await house.http.get("/auth/client.js")).text

    assert served(text) == {"transport": transport, "refresh": refresh}


async def test_another_issuer_has_another_etag(house: House) -> None:
    async with issuing(transport="cookie") as other:
        etags = [(await place.http.get("/auth/client.js")).headers["etag"] for place in (house, other)]

    assert etags[0] != etags[1]


@pytest.mark.parametrize("profile", PROFILES)
async def test_it_lies_beside_the_routes_of_every_profile(profile: str) -> None:
    async with issuing(profile) as house:
        answer = await house.http.get(f"{house.prefix}/client.js")

    assert answer.status_code == 200
    assert served(answer.text)["refresh"] is policy_for(ISSUER, profile).refresh


async def test_only_one_line_differs_from_the_file() -> None:
    plain, told = (script.source(policy_for(ISSUER, transport=way)).decode().splitlines() for way in ("bearer", "both"))

    different = [pair for pair in zip(plain, told, strict=True) if pair[0] != pair[1]]

    assert len(different) == 1
