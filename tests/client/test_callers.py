"""One table for every kind of client: what is sent, what is renewed, what is repeated, and where no token goes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jotgate.client import ClientSession, Issuer
from jotgate.client.requests import RequestsAuth
from jotgate.errors import GrantError, Misuse, Unavailable
from tests.client.callers import CALLERS, Ask
from tests.client.conftest import Client
from tests.client.guarded import Service, refusal, service
from tests.client.wire import Fate, Wire
from tests.live.process import Server
from tests.live.talk import bearer

LIFE = 900
Call = Callable[[ClientSession, Ask], list[int]]


@pytest.fixture(params=CALLERS)
def call(request: pytest.FixtureRequest) -> Call:
    return CALLERS[request.param]


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Iterator[Service]:
    """A service of another origin."""
    with service(server.url) as elsewhere:
        yield elsewhere


def test_every_request_carries_the_token(call: Call, client: Client, api: Service) -> None:
    session = client.login()

    assert call(session, Ask("GET", f"{api.url}/", times=2)) == [200, 200]
    assert api.seen == [f"Bearer {session.token()}"] * 2


def test_a_spent_token_is_not_even_sent(call: Call, client: Client, api: Service, wire: Wire) -> None:
    session = client.login()
    before = session.token()

    client.clock.ahead = LIFE
    answered = call(session, Ask("POST", f"{api.url}/", b"body"))

    assert answered == [200]
    assert api.seen == [f"Bearer {session.tokens.access}"]
    assert session.tokens.access != before
    assert len(wire.refreshes) == 1


@pytest.mark.parametrize("code", ["token_expired", "claims_stale", "token_revoked"])
@pytest.mark.parametrize("body", [None, b"body"])
def test_a_refused_token_is_renewed_and_the_request_sent_once_more(
    call: Call, client: Client, api: Service, wire: Wire, code: str, body: bytes | None
) -> None:
    session = client.login()
    before = session.token()
    api.answers = [refusal(code)]

    answered = call(session, Ask("POST", f"{api.url}/", body))

    assert answered == [200]
    assert api.seen == [f"Bearer {before}", f"Bearer {session.token()}"]
    assert api.bodies == [body or b""] * 2
    assert len(wire.refreshes) == 1


def test_there_is_no_third_time(call: Call, client: Client, api: Service, wire: Wire) -> None:
    session = client.login()
    api.answers = [refusal("token_expired")] * 2

    answered = call(session, Ask("GET", f"{api.url}/", times=2))

    assert answered == [401, 200]
    assert len(api.seen) == 3
    assert len(wire.refreshes) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusal("audience_mismatch"),
        refusal("signature_invalid"),
        refusal("insufficient"),
        (401, {}, b""),
        (401, {"www-authenticate": 'Basic realm="x"'}, b"no"),
        (403, {"content-type": "application/json"}, b'{"code": "token_expired"}'),
    ],
)
def test_what_another_token_does_not_help_against_stands(
    call: Call, client: Client, api: Service, wire: Wire, answer: tuple[int, dict[str, str], bytes]
) -> None:
    session = client.login()
    api.answers = [answer]

    assert call(session, Ask("GET", f"{api.url}/")) == [answer[0]]
    assert len(api.seen) == 1
    assert wire.refreshes == []


def test_a_service_with_another_guard_is_believed(call: Call, client: Client, api: Service, wire: Wire) -> None:
    session = client.login()
    api.answers = [(401, {"www-authenticate": 'Bearer realm="x", error="invalid_token"'}, b"expired")]

    assert call(session, Ask("GET", f"{api.url}/", times=2)) == [200, 200]
    assert len(wire.refreshes) == 1


def test_a_service_that_refuses_new_tokens_too_does_not_wear_out_the_issuer(
    call: Call, client: Client, api: Service, wire: Wire
) -> None:
    session = client.login()
    api.answers = [refusal("token_expired")] * 100

    answered = call(session, Ask("GET", f"{api.url}/", times=20))

    assert answered == [401] * 20
    assert len(wire.refreshes) == 3


def test_without_a_refresh_token_a_401_stands(call: Call, client: Client, api: Service) -> None:
    session = ClientSession.from_tokens(client.issuer, client.login().token())
    api.answers = [refusal("token_expired")]

    assert call(session, Ask("GET", f"{api.url}/", times=2)) == [401, 200]


def test_a_stream_is_not_sent_twice_but_the_next_one_has_a_new_token(
    call: Call, client: Client, api: Service, wire: Wire
) -> None:
    session = client.login()
    before = session.token()
    api.answers = [refusal("token_expired")]

    first = call(session, Ask("POST", f"{api.url}/", b"stream", stream=True))
    session.renew(before)  # shares what was begun
    second = call(session, Ask("POST", f"{api.url}/", b"stream", stream=True))

    assert first + second == [401, 200]
    assert api.bodies == [b"stream"] * 2
    assert api.seen == [f"Bearer {before}", f"Bearer {session.token()}"]
    assert len(wire.refreshes) == 1


def test_a_new_role_arrives_with_one_transparent_retry(
    call: Call, newcomer: Client, server: Server, wire: Wire
) -> None:
    session = newcomer.login()
    server.cli("user", "role", newcomer.email, "manager")
    with server.api() as talk:
        while talk.get("/auth/me", headers=bearer(session.token())).status == 200:
            continue

    answered = call(session, Ask("GET", f"{server.url}/auth/me"))

    assert answered == [200]
    assert len(wire.refreshes) == 1
    with server.api() as talk:
        assert talk.get("/auth/me", headers=bearer(session.token())).json["roles"] == ["manager"]


def test_a_closed_session_is_a_clear_error(call: Call, client: Client, api: Service, server: Server) -> None:
    session = client.login()
    with server.api() as talk:
        talk.post("/auth/logout", {"refresh_token": session.tokens.refresh})
    api.answers = [refusal("token_revoked")]

    for _ in range(2):
        with pytest.raises(GrantError, match="log in again"):
            call(session, Ask("GET", f"{api.url}/"))
    assert len(api.seen) == 1


def test_an_issuer_that_is_away_is_a_clear_error_when_the_token_is_spent(
    call: Call, client: Client, api: Service, wire: Wire
) -> None:
    tokens = client.login().tokens
    issuer = Issuer(wire.url, patience_seconds=0, clock=client.clock)
    session = ClientSession.from_tokens(issuer, tokens.access, tokens.refresh)
    wire.fate = lambda _path, _number: Fate.REFUSE

    client.clock.ahead = LIFE - 30
    due = call(session, Ask("GET", f"{api.url}/", times=3))
    client.clock.ahead = LIFE
    with pytest.raises(Unavailable, match="no answer"):
        call(session, Ask("GET", f"{api.url}/"))

    assert due == [200] * 3
    assert len(wire.to("/auth/refresh")) <= 2


@pytest.mark.parametrize("status", [302, 303, 307])
def test_no_token_goes_where_a_redirect_leads(
    call: Call, client: Client, api: Service, elsewhere: Service, wire: Wire, status: int
) -> None:
    session = client.login()
    elsewhere.seen.clear()
    elsewhere.answers = [refusal("token_expired")]
    api.answers = [(status, {"location": f"{elsewhere.url}/there"}, b"")]

    answered = call(session, Ask("GET", f"{api.url}/"))

    assert answered == [401]
    assert api.seen == [f"Bearer {session.token()}"]
    assert elsewhere.seen == [None]
    assert wire.refreshes == []


def test_a_redirect_within_the_origin_keeps_the_token(call: Call, client: Client, api: Service) -> None:
    session = client.login()
    api.answers = [(307, {"location": "/there"}, b""), refusal("token_expired")]

    assert call(session, Ask("POST", f"{api.url}/", b"body")) == [200]
    assert len(api.seen) == 3
    assert None not in api.seen


def test_only_those_who_are_named_get_the_token(
    call: Call, client: Client, api: Service, elsewhere: Service, wire: Wire
) -> None:
    session = client.login()
    elsewhere.seen.clear()
    elsewhere.answers.clear()

    named = call(session, Ask("GET", f"{api.url}/", only=[api.url]))
    other = call(session, Ask("GET", f"{elsewhere.url}/", only=[api.url]))

    assert named + other == [200, 401]
    assert elsewhere.seen == [None]
    assert wire.refreshes == []


@pytest.mark.parametrize("kind", sorted(set(CALLERS) - {"aiohttp"}))
def test_no_token_goes_unencrypted_to_a_host_that_is_not_named(client: Client, kind: str) -> None:
    session = client.login()

    with pytest.raises(Misuse, match=r"http://api\.example\.com"):
        CALLERS[kind](session, Ask("GET", "http://api.example.com/"))


def test_requests_own_hooks_see_the_last_answer(client: Client, api: Service) -> None:
    requests: Any = pytest.importorskip("requests")
    session = client.login()
    api.answers = [refusal("token_expired")]
    seen: list[int] = []
    hooks = {"response": lambda response, **_options: seen.append(response.status_code)}

    answer = requests.get(f"{api.url}/", auth=RequestsAuth(session), hooks=hooks, timeout=10)

    assert seen == [200]
    assert [one.status_code for one in answer.history] == [401]
