"""HAProxy with `deploy/haproxy.cfg`: our tokens pass, bad ones do not, and what it does not look at is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.core.policy import ALGORITHMS
from jotgate.jose import Key, jwk, new_key
from tests.guard.standin import StandIn, issuing, served
from tests.interop import known
from tests.interop.asking import ask, opened, passing
from tests.interop.behind import Behind
from tests.interop.peers import program, running
from tests.interop.proxies import Place, fetch_keys
from tests.interop.proxies import haproxy as haproxy_for
from tests.interop.tokens import bad, forged, good
from tests.jose.keys import key
from tests.live.process import free_port

BY = key("ES256")


@dataclass(frozen=True)
class Standing:
    port: int
    issuer: StandIn
    behind: Behind


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """With the keys of a running issuer, fetched by the script beside the configuration."""
    issuer, behind = StandIn(), Behind()
    issuer.keys = [new_key("ES256", "before"), BY]
    with issuing(issuer), served(behind) as app:
        place = Place(tmp_path_factory.mktemp("haproxy"), free_port(), issuer.url[7:], app[7:])
        with haproxy_for(place):
            yield Standing(place.port, issuer, behind)


def test_a_token_of_ours_passes_and_the_application_hears_who_it_is(haproxy: Standing) -> None:
    seen = ask(haproxy.port, "/members", token=good(BY, haproxy.issuer.url)).seen

    told = {name: values for name, values in seen["headers"].items() if name.startswith("x-auth-")}
    assert told == {
        "x-auth-subject": ["0193513c6d7a7b3c8d1e2f3a4b5c6d7e"],
        "x-auth-session": ["0193513c6d7a7b3c8d1e2f3a4b5c6d80"],
        "x-auth-scope": ["members:read payments:read"],
        "x-auth-roles": ["front.desk,manager"],
    }


def test_of_the_bad_tokens_nothing_forged_passes_and_the_rest_is_known(haproxy: Standing) -> None:
    through = passing(haproxy.port, "/", bad(BY, haproxy.issuer.url))

    assert not through & dict(forged(BY, haproxy.issuer.url)).keys()
    assert through <= known.gaps("HAProxy")


def test_a_refusal_carries_the_challenge_and_does_not_reach_the_application(haproxy: Standing) -> None:
    before = haproxy.behind.reached

    missing = ask(haproxy.port)
    expired = ask(haproxy.port, token=bad(BY, haproxy.issuer.url)["expired"])

    assert (missing.status, missing.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    assert (expired.status, expired.headers["www-authenticate"]) == (401, 'Bearer realm="api", error="invalid_token"')
    assert haproxy.behind.reached == before


@pytest.mark.parametrize(("roles", "status"), [(["manager"], 200), (["managers"], 403), (["x", "manager"], 200)])
def test_a_route_for_managers_is_for_managers(haproxy: Standing, roles: list[str], status: int) -> None:
    said = ask(haproxy.port, "/managers/list", token=good(BY, haproxy.issuer.url, roles=roles))

    assert said.status == status


def test_who_has_no_role_is_told_with_none(haproxy: Standing) -> None:
    token = good(BY, haproxy.issuer.url, roles=..., sid=..., scope=...)

    seen = ask(haproxy.port, token=token).seen
    refused = ask(haproxy.port, "/managers/list", token=token)

    assert {name for name in seen["headers"] if name.startswith("x-auth-")} == {"x-auth-subject"}
    assert refused.status == 403


def test_a_place_for_managers_is_for_managers_by_whatever_name(haproxy: Standing) -> None:
    assert not opened(haproxy.port, good(BY, haproxy.issuer.url, roles=["members"]))
    assert {"/managers", "/managers/list"} <= opened(haproxy.port, good(BY, haproxy.issuer.url))


@pytest.mark.parametrize("name", ["X-Auth-Roles", "x_auth_roles", "X-Auth-Email", "X-AUTH_Email"])
def test_nobody_says_who_they_are_by_a_header(haproxy: Standing, name: str) -> None:
    token = good(BY, haproxy.issuer.url, roles=...)

    seen = ask(haproxy.port, headers=[(name, "admin")], token=token).seen

    assert name.lower() not in seen["headers"]


def test_two_credentials_are_refused(haproxy: Standing) -> None:
    token = good(BY, haproxy.issuer.url)

    said = ask(haproxy.port, headers=[("Authorization", f"Bearer {token}")], token=token)

    assert said.status == 400


@pytest.mark.parametrize("query", ["?access_token={}", "?token={}"])
def test_a_token_in_the_query_is_none(haproxy: Standing, query: str) -> None:
    assert ask(haproxy.port, "/" + query.format(good(BY, haproxy.issuer.url))).status == 401


def test_a_key_that_is_published_before_it_signs_is_there_when_it_does(tmp_path: Path) -> None:
    issuer = StandIn()
    first, second, third, fourth = (new_key("ES256", f"k{at}") for at in range(4))
    codes, there = [], []
    with issuing(issuer):
        place = Place(tmp_path, 0, issuer.url[7:], "")
        for keys in ([first], [first], [first, second], [first, second, third, fourth]):
            issuer.keys = keys
            codes.append(fetch_keys(place).returncode)
            there.append([(tmp_path / f"{at}.pem").read_bytes() for at in (1, 2, 3)])
        for status, body in ((200, b"<html>"), (200, b'{"keys": []}'), (500, b"")):
            issuer.keys_answer = (status, {}, body)
            codes.append(fetch_keys(place).returncode)
    codes.append(fetch_keys(place).returncode)

    pem = {
        made.kid: made.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for made in (first, second, third, fourth)
    }
    assert codes == [0, 3, 0, 0, 1, 1, 1, 1]
    assert there[0] == there[1] == [pem["k0"]] * 3
    assert there[2] == [pem["k1"], pem["k0"], pem["k1"]]
    assert there[3] == [pem["k3"], pem["k2"], pem["k1"]]
    assert [(tmp_path / f"{at}.pem").read_bytes() for at in (1, 2, 3)] == there[3]


# --- algorithms


def known_key(alg: str) -> Key:
    """A secret is text in HAProxy's configuration."""
    by = key(alg)
    return jwk.from_private_bytes(alg, None, by.private.hex().encode()) if by.kty == "oct" else by


@pytest.fixture(scope="module")
def every_algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A bare HAProxy that verifies each algorithm below a path of its name."""
    program_path, home, port = program("haproxy"), tmp_path_factory.mktemp("haproxy"), free_port()
    lines = ["defaults", "mode http", "timeout client 9s", "frontend all", f"bind 127.0.0.1:{port}"]
    lines.append("http-request set-var(txn.token) http_auth_bearer")
    lines.append("http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')")
    for alg in ALGORITHMS:
        by = known_key(alg)
        pem = home / f"{alg}.pem"
        if by.kty not in {"oct", "AKP"}:
            pem.write_bytes(by.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        known_by = by.private.decode() if by.kty == "oct" else pem
        passes = f'{{ path /{alg} }} {{ var(txn.token),jwt_verify(txn.alg,"{known_by}") -m int 1 }}'
        lines.append(f"http-request return status 200 if {passes}")
    lines.append("http-request return status 401")
    path = home / "all.cfg"
    path.write_text("\n".join(lines) + "\n")
    with running(program_path, "-db", "-f", str(path), port=port, home=home):
        yield port


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_it_verifies_the_algorithms_that_it_is_said_to(every_algorithm: int, alg: str) -> None:
    token = good(known_key(alg), "https://auth.example.com")

    accepted = ask(every_algorithm, f"/{alg}", token=token).status == 200
    changed = ask(every_algorithm, f"/{alg}", token=token[:-9] + "AAAAAAAAA").status == 200

    assert (accepted, changed) == (alg in known.algorithms("HAProxy"), False)
