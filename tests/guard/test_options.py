"""What a guard can be told: each option on both sides of what is allowed, and all complaints at once."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from jotgate.errors import SettingsError
from jotgate.guard import options
from jotgate.guard.guard import Guard
from jotgate.guard.options import Options
from jotgate.jose import jwks, new_key

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
KEYS = jwks.of(KEY).export()
SECRET = hashlib.sha256(b"gym").digest()
LONG_SECRET = hashlib.sha512(b"gym").digest()


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": ISSUER},
        {"issuer": "https://auth.example.com/tenant/a"},
        {"issuer": "https://auth.example.com:8443"},
        {"issuer": "http://127.0.0.1:8000"},
        {"issuer": "http://[::1]:8000"},
        {"issuer": "http://localhost"},
        {"issuer": "gym", "jwks": KEYS},
        {"issuer": "gym", "jwks": jwks.of(KEY)},
        {"issuer": "gym", "hs256_secret": SECRET},
        {"issuer": "gym", "hs256_secret": "Zk3!q8Lw0-vR7_yTn2xP5sAeUhGbJd4c"},
        {"issuer": "gym", "hs256_secret": LONG_SECRET, "algorithms": ("HS512",)},
        {"issuer": "http://intern.example.com", "jwks": KEYS, "revocation": None},
        {"issuer": ISSUER, "algorithms": ("ES256", "RS256")},
        {"issuer": ISSUER, "leeway": 0},
        {"issuer": ISSUER, "leeway": 60},
        {"issuer": ISSUER, "max_lifetime": 1},
        {"issuer": ISSUER, "cache": 0},
        {"issuer": ISSUER, "feed_token": "t"},
        {"issuer": ISSUER, "feed": ("nats://127.0.0.1:4222",)},
        {"issuer": ISSUER, "feed": ("tls://guard:p%40ss@a.example.com:4222/", "tls://token@b.example.com")},
        {"issuer": ISSUER, "feed": ("nats://[::1]",), "jwks": KEYS, "revocation": "push"},
        {"issuer": ISSUER, "revocation": None},
        {"issuer": ISSUER, "on_stale": "deny", "max_staleness": 2},
        {"issuer": ISSUER, "jwks": KEYS, "revocation": "push", "on_stale": "deny"},
        {
            "issuer": ISSUER,
            "cookie": "__Host-jotgate-at",
            "origins": ("https://app.example.com", "http://localhost:3000"),
        },
        {"issuer": ISSUER, "realm": "gym members"},
    ],
)
def test_what_is_allowed(given: dict[str, Any]) -> None:
    Options(**given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": 5}, "issuer"),
        ({"issuer": "gym"}, "issuer"),
        ({"issuer": "http://auth.example.com"}, "issuer"),
        ({"issuer": "http://127.0.0.1.example.com"}, "issuer"),
        ({"issuer": "https://"}, "issuer"),
        ({"issuer": "https://auth.example.com:0"}, "issuer"),
        ({"issuer": "https://auth.example.com:99999"}, "issuer"),
        ({"issuer": "https://auth.example.com/?a=b"}, "issuer"),
        ({"issuer": "https://auth.example.com/#a"}, "issuer"),
        ({"issuer": "https://user@auth.example.com"}, "issuer"),
        ({"issuer": "https://auth.example.com/a b"}, "issuer"),
        ({"issuer": "https://\u00e4.example.com"}, "issuer"),
        ({"issuer": "ftp://auth.example.com"}, "issuer"),
        ({"issuer": "gym", "jwks": KEYS, "revocation": "push"}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"audience": ["gym"]}, "audience"),
        ({"algorithms": ()}, "algorithms"),
        ({"algorithms": ("none",)}, "algorithms"),
        ({"algorithms": ("HS256",)}, "algorithms"),
        ({"algorithms": ("ES256", "HS256")}, "algorithms"),
        ({"hs256_secret": SECRET, "algorithms": ("ES256",)}, "algorithms"),
        ({"hs256_secret": LONG_SECRET, "algorithms": ("HS256", "HS512")}, "algorithms"),
        ({"algorithms": 5}, "algorithms"),
        ({"algorithms": ([],)}, "algorithms"),
        ({"jwks": 5}, "jwks"),
        ({"hs256_secret": 5}, "hs256_secret"),
        ({"cookie": 5}, "cookie"),
        ({"origins": 5}, "origins"),
        ({"origins": (5,)}, "origins"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": 61}, "leeway"),
        ({"leeway": "10"}, "leeway"),
        ({"leeway": True}, "leeway"),
        ({"max_lifetime": 0}, "max_lifetime"),
        ({"jwks": KEYS, "hs256_secret": SECRET}, "jwks, hs256_secret"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": "no json"}, "jwks"),
        ({"jwks": KEYS, "algorithms": ("RS256",)}, "jwks"),
        ({"hs256_secret": SECRET[:31]}, "hs256_secret"),
        ({"hs256_secret": "a" * 64}, "hs256_secret"),
        ({"cache": -1}, "cache"),
        ({"feed_token": ""}, "feed_token"),
        ({"feed_token": "a b"}, "feed_token"),
        ({"feed_token": "a\r\nX: y"}, "feed_token"),
        ({"feed": ("",)}, "feed"),
        ({"feed": 5}, "feed"),
        ({"feed": (5,)}, "feed"),
        ({"feed": ("https://nats.example.com",)}, "feed"),
        ({"feed": ("nats.example.com:4222",)}, "feed"),
        ({"feed": ("nats://",)}, "feed"),
        ({"feed": ("nats://nats.example.com:0",)}, "feed"),
        ({"feed": ("nats://nats.example.com:99999",)}, "feed"),
        ({"feed": ("nats://nats.example.com/news",)}, "feed"),
        ({"feed": ("nats://nats.example.com?a=b",)}, "feed"),
        ({"feed": ("nats://nats.example.com, nats://b",)}, "feed"),
        ({"feed": ("nats://a.example.com\r\n",)}, "feed"),
        ({"feed": ("nats://127.0.0.1",), "revocation": None}, "feed"),
        ({"feed": ("nats://127.0.0.1",), "jwks": KEYS}, "feed"),
        ({"revocation": "pull"}, "revocation"),
        ({"on_stale": "maybe"}, "on_stale"),
        ({"on_stale": "deny", "revocation": None}, "on_stale"),
        ({"max_staleness": 1}, "max_staleness"),
        ({"cookie": ""}, "cookie"),
        ({"cookie": "a b"}, "cookie"),
        ({"origins": ("app.example.com",)}, "origins"),
        ({"origins": ("https://app.example.com/",)}, "origins"),
        ({"realm": ""}, "realm"),
    ],
)
def test_what_is_not_allowed_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Options(**{"issuer": ISSUER, **given})

    assert [complaint.startswith((f"{named} = ", f"{named}:")) for complaint in caught.value.complaints] == [True]


def test_all_complaints_come_at_once_and_show_no_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        Guard(
            "http://auth.example.com",
            leeway=100,
            hs256_secret="too few words",
            cookie=" ",
            feed_token="se cret",
            feed="http://me:hunter2@nats.example.com",
        )

    complaints = caught.value.complaints
    assert [complaint.split(" ")[0].rstrip(":") for complaint in complaints] == [
        "hs256_secret",
        "leeway",
        "feed_token",
        "feed",
        "cookie",
        "feed",
    ]
    assert "hunter2" not in str(caught.value)
    assert "too few words" not in str(caught.value)
    assert "se cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "fetches", "pushes"),
    [
        ({}, True, True),
        ({"revocation": None}, True, False),
        ({"jwks": KEYS}, False, False),
        ({"jwks": KEYS, "revocation": "push"}, False, True),
        ({"hs256_secret": SECRET}, False, False),
        ({"hs256_secret": SECRET, "revocation": "push"}, False, True),
    ],
)
def test_what_is_given_is_not_fetched(given: dict[str, Any], *, fetches: bool, pushes: bool) -> None:
    told = Options(ISSUER, **given)

    assert (told.fetches, told.pushes) == (fetches, pushes)


def test_one_of_several_may_be_given_as_a_text() -> None:
    guard = Guard(ISSUER, algorithms="ES256", origins="https://app.example.com", feed="nats://127.0.0.1")

    assert guard.options.algorithms == ("ES256",)
    assert guard.options.origins == ("https://app.example.com",)
    assert guard.options.feed == ("nats://127.0.0.1",)
    guard.close()
    with pytest.raises(SettingsError, match="algorithms = 5"):
        Guard(ISSUER, algorithms=5)  # type: ignore[arg-type]  # what a caller without a type checker may write


def test_secrets_do_not_show() -> None:
    told = Options(
        ISSUER, hs256_secret=SECRET, feed_token="opensesame", revocation="push", feed=("nats://me:hunter2@b",)
    )

    assert "hunter2" not in repr(told)
    assert "opensesame" not in repr(told)
    assert repr(SECRET) not in repr(told)


# --- the environment


def test_the_environment_gives_every_option(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("opensesame\n")

    told = options.from_env(
        {
            "JOTGATE_ISSUER": ISSUER,
            "JOTGATE_AUDIENCE": "gym",
            "JOTGATE_FEED_TOKEN_FILE": str(tmp_path / "feed"),
            "JOTGATE_GUARD_ALGORITHMS": "ES256, RS256",
            "JOTGATE_GUARD_FEED": "nats://a.example.com:4222, nats://b.example.com:4222",
            "JOTGATE_GUARD_LEEWAY": "5",
            "JOTGATE_GUARD_MAX_LIFETIME": "3600",
            "JOTGATE_GUARD_CACHE": "100",
            "JOTGATE_GUARD_REVOCATION": "push",
            "JOTGATE_GUARD_ON_STALE": "deny",
            "JOTGATE_GUARD_MAX_STALENESS": "10",
            "JOTGATE_GUARD_COOKIE": "__Host-jotgate-at",
            "JOTGATE_GUARD_ORIGINS": "https://app.example.com",
            "JOTGATE_GUARD_REALM": "gym",
            "JOTGATE_PORT": "8000",
            "JOTGATE_GUARD_PORT": "tcp://10.0.0.1:80",
            "JOTGATE_GUARD_PORT_80_TCP": "tcp://10.0.0.1:80",
            "JOTGATE_GUARD_SERVICE_HOST": "10.0.0.1",
            "PATH": "/bin",
        }
    )

    assert told == Options(
        ISSUER,
        audience="gym",
        feed_token="opensesame",
        feed=("nats://a.example.com:4222", "nats://b.example.com:4222"),
        algorithms=("ES256", "RS256"),
        leeway=5,
        max_lifetime=3600,
        cache=100,
        revocation="push",
        on_stale="deny",
        max_staleness=10,
        cookie="__Host-jotgate-at",
        origins=("https://app.example.com",),
        realm="gym",
    )


@pytest.mark.parametrize(("text", "revocation"), [("off", None), ("None", None), ("push", "push"), ("auto", "auto")])
def test_revocation_can_be_switched_off_in_the_environment(text: str, revocation: str | None) -> None:
    told = options.from_env({"JOTGATE_ISSUER": ISSUER, "JOTGATE_GUARD_REVOCATION": text})

    assert told.revocation == revocation


def test_every_complaint_about_the_environment_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")

    with pytest.raises(SettingsError) as caught:
        options.from_env(
            {
                "JOTGATE_AUDIENCE": "gym",
                "JOTGATE_AUDIENCE_FILE": "gym.txt",
                "JOTGATE_FEED_TOKEN_FILE": str(tmp_path / "absent"),
                "JOTGATE_HS256_SECRET_FILE": str(tmp_path / "binary"),
                "JOTGATE_GUARD_LEWAY": "5",
                "JOTGATE_GUARD_LEEWAY": "ten",
                "JOTGATE_GUARD_ON_STALE": "panic",
            }
        )

    text = "\n".join(caught.value.complaints)
    for named in (
        "JOTGATE_AUDIENCE and JOTGATE_AUDIENCE_FILE",
        "JOTGATE_FEED_TOKEN_FILE = ",
        "JOTGATE_HS256_SECRET_FILE = ",
        "JOTGATE_GUARD_LEWAY: there is no such option",
        "JOTGATE_ISSUER: is needed",
        "JOTGATE_GUARD_LEEWAY = 'ten'",
        "JOTGATE_GUARD_ON_STALE = 'panic'",
    ):
        assert named in text
    assert len(caught.value.complaints) == 7


def test_a_guard_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_ISSUER", ISSUER)
    monkeypatch.setenv("JOTGATE_GUARD_REALM", "gym")

    guard = Guard.from_env()

    assert (guard.options.issuer, guard.options.realm) == (ISSUER, "gym")
    guard.close()
