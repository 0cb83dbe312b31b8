"""Envoy with `deploy/envoy.yaml`: our tokens pass, bad ones do not, and what it does not look at is known."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from jotgate.core.policy import ALGORITHMS
from jotgate.jose import Key, new_key, strictjson
from tests.guard.standin import StandIn, issuing, served
from tests.interop import known
from tests.interop.asking import ask, opened, passing
from tests.interop.behind import Behind
from tests.interop.peers import DEPLOY, program, running
from tests.interop.proxies import ENVOY, Place
from tests.interop.proxies import envoy as envoy_for
from tests.interop.tokens import bad, forged, good
from tests.jose.keys import key
from tests.jose.oracles import public_jwk
from tests.live.process import free_port

BY = key("ES256")


@dataclass(frozen=True)
class Standing:
    port: int
    issuer: StandIn
    behind: Behind


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """It fetches the keys of a running issuer."""
    issuer, behind = StandIn(), Behind()
    issuer.keys = [new_key("ES256", "before"), BY]
    with issuing(issuer), served(behind) as app:
        place = Place(tmp_path_factory.mktemp("envoy"), free_port(), issuer.url[7:], app[7:])
        with envoy_for(place):
            yield Standing(place.port, issuer, behind)


def test_the_file_as_it_stands_is_understood() -> None:
    command = [program("envoy"), "--mode", "validate", "-c", str(DEPLOY / "envoy.yaml")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def test_a_token_of_ours_passes_and_the_application_hears_who_it_is(envoy: Standing) -> None:
    seen = ask(envoy.port, "/members", token=good(BY, envoy.issuer.url)).seen

    told = {name: values for name, values in seen["headers"].items() if name.startswith("x-auth-")}
    assert told == {
        "x-auth-subject": ["0193513c6d7a7b3c8d1e2f3a4b5c6d7e"],
        "x-auth-session": ["0193513c6d7a7b3c8d1e2f3a4b5c6d80"],
        "x-auth-scope": ["members:read payments:read"],
    }
    assert seen["headers"]["authorization"]


def test_of_the_bad_tokens_nothing_forged_passes_and_the_rest_is_known(envoy: Standing) -> None:
    through = passing(envoy.port, "/", bad(BY, envoy.issuer.url))

    assert not through & dict(forged(BY, envoy.issuer.url)).keys()
    assert through <= known.gaps("Envoy")


def test_a_refusal_carries_a_challenge_and_does_not_reach_the_application(envoy: Standing) -> None:
    before = envoy.behind.reached

    missing = ask(envoy.port)
    expired = ask(envoy.port, token=bad(BY, envoy.issuer.url)["expired"])

    assert (missing.status, expired.status) == (401, 401)
    assert missing.headers["www-authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert envoy.behind.reached == before


@pytest.mark.parametrize(("roles", "status"), [(["manager"], 200), (["managers"], 403), (["x", "manager"], 200)])
def test_a_route_for_managers_is_for_managers(envoy: Standing, roles: list[str], status: int) -> None:
    said = ask(envoy.port, "/managers/list", token=good(BY, envoy.issuer.url, roles=roles))

    assert said.status == status


def test_a_place_for_managers_is_for_managers_by_whatever_name(envoy: Standing) -> None:
    assert not opened(envoy.port, good(BY, envoy.issuer.url, roles=["members"]))
    assert {"/managers", "/managers/list"} <= opened(envoy.port, good(BY, envoy.issuer.url))


@pytest.mark.parametrize("name", ["X-Auth-Session", "x_auth_session", "X-Auth-Email", "X-AUTH_Email"])
def test_nobody_says_who_they_are_by_a_header(envoy: Standing, name: str) -> None:
    said = ask(envoy.port, headers=[(name, "admin")], token=good(BY, envoy.issuer.url, sid=...))

    assert name.lower() not in said.seen["headers"]


def test_two_credentials_are_refused(envoy: Standing) -> None:
    token = good(BY, envoy.issuer.url)

    said = ask(envoy.port, headers=[("Authorization", f"Bearer {token}")], token=token)

    assert said.status == 401


@pytest.mark.parametrize("query", ["?access_token={}", "?token={}"])
def test_a_token_in_the_query_is_none(envoy: Standing, query: str) -> None:
    assert ask(envoy.port, "/" + query.format(good(BY, envoy.issuer.url))).status == 401


# --- algorithms


@pytest.fixture(scope="module")
def every_algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A bare Envoy that verifies each algorithm below a path of its name, by a key set that it is given."""
    program_path, home, port = program("envoy"), tmp_path_factory.mktemp("envoy"), free_port()
    filters = {
        "envoy.filters.http.jwt_authn": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {alg: _provider(key(alg)) for alg in ALGORITHMS},
            "rules": [{"match": {"prefix": f"/{alg}/"}, "requires": {"provider_name": alg}} for alg in ALGORITHMS],
        },
        "envoy.filters.http.router": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
    }
    path = home / "all.json"
    path.write_bytes(strictjson.dumps(_bootstrap(port, filters)))
    with running(program_path, *ENVOY, "-c", str(path), port=port, home=home):
        yield port


def _provider(by: Key) -> dict[str, Any]:
    spare = key("ES256", "spare")  # a set of which it can read no key at all is a fault in the configuration
    keys = strictjson.dumps({"keys": [public_jwk(by), public_jwk(spare)]}).decode()
    return {"issuer": "https://auth.example.com", "local_jwks": {"inline_string": keys}}


def _bootstrap(port: int, filters: dict[str, Any]) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = {
        "@type": kind,
        "stat_prefix": "all",
        "http_filters": [{"name": name, "typed_config": config} for name, config in filters.items()],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"static_resources": {"listeners": [{"address": address, "filter_chains": [chain]}]}}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_it_verifies_the_algorithms_that_it_is_said_to(every_algorithm: int, alg: str) -> None:
    token = good(key(alg), "https://auth.example.com")

    accepted = ask(every_algorithm, f"/{alg}/", token=token).status == 200
    changed = ask(every_algorithm, f"/{alg}/", token=token[:-9] + "AAAAAAAAA").status == 200

    assert (accepted, changed) == (alg in known.algorithms("Envoy"), False)
