"""What every framework answers: one request a row, and who it is, or the error whose answer it gets.

Every application has the same routes; each gives the subject of its caller, or null.

    route           needs
    ------------    ----------------------------------------------------
    /open           nothing; no token is looked at
    /me             a good token; GET and POST
    /optional       nothing; but what is sent has to be good
    /role           the role manager
    /any-role       one of the roles owner and manager
    /scope          members:read
    /all-scopes     members:read and payments:read
    /any-scope      one of payments:write and members:read
    /fresh          a login in the last 300 seconds
    /inside         a good token; the handler asks for the role owner
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jotgate import errors
from jotgate.errors import JotgateError
from jotgate.guard.guard import Guard
from jotgate.jose import jwt, new_key
from tests.guard.standin import StandIn, claims

ROUTES: dict[str, dict[str, Any]] = {
    "/me": {},
    "/optional": {"optional": True},
    "/role": {"role": "manager"},
    "/any-role": {"role": ("owner", "manager"), "match": "any"},
    "/scope": {"scope": "members:read"},
    "/all-scopes": {"scope": "members:read payments:read"},
    "/any-scope": {"scope": "payments:write members:read", "match": "any"},
    "/fresh": {"max_age": 300},
}
COOKIE = "at"
HOST = "api.example.com"
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """`answer`: the subject, or None, or the error."""

    name: str
    answer: str | JotgateError | None
    headers: Headers = ()
    path: str = "/me"
    method: str = "GET"


def bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


def rows(issuer: StandIn, *, cookie: bool) -> Iterator[Row]:
    """All of them, for an issuer that runs; its feed names the session s-ended and the subject eve."""
    yield from _identity(issuer)
    yield from _refusals(issuer)
    yield from _requirements(issuer)
    yield from _by_cookie(issuer) if cookie else _without_cookies(issuer)


def news(issuer: StandIn) -> None:
    """What the rows expect the issuer to have revoked."""
    issuer.revoke("sid", "s-ended")
    issuer.revoke("sub", "eve", epoch=6)


def _identity(issuer: StandIn) -> Iterator[Row]:
    good, bad = issuer.token(), issuer.token(exp=1_000_000)
    yield Row("open", None, path="/open")
    yield Row("open, with a bad token", None, bearer(bad), path="/open")
    yield Row("a good token", "ada", bearer(good))
    yield Row("to POST", "ada", bearer(good), method="POST")
    yield Row("scheme in small letters", "ada", [("authorization", f"bearer {good}")])
    yield Row("two blanks", "ada", [("Authorization", f"Bearer  {good}")])
    yield Row("nothing", errors.TokenMissing())
    yield Row("nothing, to POST", errors.TokenMissing(), method="POST")
    yield Row("another scheme", errors.TokenMissing(), [("Authorization", "Basic YTpi")])
    yield Row("in the query", errors.TokenMissing(), path=f"/me?access_token={good}&token={good}")
    yield Row("optional, nothing", None, path="/optional")
    yield Row("optional, a good one", "ada", bearer(good), path="/optional")
    yield Row("optional, a bad one", errors.Expired(), bearer(bad), path="/optional")


def _refusals(issuer: StandIn) -> Iterator[Row]:
    good, now = issuer.token(), int(time.time())
    head, body, signature = good.split(".")
    other = new_key("ES256", "k1")
    yield Row("expired", errors.Expired(), bearer(issuer.token(iat=now - 900, exp=now - 60)))
    yield Row("scheme alone", errors.Malformed(), [("Authorization", "Bearer")])
    yield Row("no token", errors.Malformed(), bearer("x.y"))
    yield Row("a token with a blank", errors.Malformed(), bearer(f"{head}. {body}.{signature}"))
    yield Row("over 8 KiB", errors.Malformed(), bearer("x" * 8300))
    yield Row("two in one header", errors.CredentialsAmbiguous(), bearer(f"{good}, Bearer {good}"))
    yield Row("two headers", errors.CredentialsAmbiguous(), [*bearer(good), *bearer(good)])
    yield Row("another's signature", errors.SignatureInvalid(), bearer(issuer.token(other)))
    yield Row("a key that nobody knows", errors.UnknownKey(), bearer(issuer.token(new_key("ES256", "k9"))))
    yield Row("another kind of token", errors.TypeMismatch(), bearer(_typed(issuer, "JWT")))
    yield Row("another issuer", errors.IssuerMismatch(), bearer(issuer.token(iss="https://other.example.com")))
    yield Row("another audience", errors.AudienceMismatch(), bearer(issuer.token(aud=("https://other.example.com",))))
    yield Row("not yet", errors.NotYetValid(), bearer(issuer.token(nbf=now + 600)))
    yield Row("too long", errors.LifetimeExcessive(), bearer(issuer.token(exp=now + 90_000)))
    yield Row("its session is over", errors.Revoked(), bearer(issuer.token(sid="s-ended")))
    yield Row("before a change of roles", errors.ClaimsStale(), bearer(issuer.token(sub="eve")))


def _requirements(issuer: StandIn) -> Iterator[Row]:
    def sent(**changed: Any) -> Headers:
        return bearer(issuer.token(**changed))

    now, more = int(time.time()), "members:read payments:read"
    yield Row("role", "ada", sent(), path="/role")
    yield Row("no role", errors.RoleMissing(), sent(roles=("member",)), path="/role")
    yield Row("role, nothing", errors.TokenMissing(), path="/role")
    yield Row("any role", "ada", sent(), path="/any-role")
    yield Row("none of the roles", errors.RoleMissing(), sent(roles=()), path="/any-role")
    yield Row("scope", "ada", sent(), path="/scope")
    yield Row("scope by a pattern", "ada", sent(scope="members:*"), path="/scope")
    yield Row("no scope", errors.ScopeMissing(scope="members:read"), sent(scope="payments:read"), path="/scope")
    yield Row("all scopes", "ada", sent(scope=more), path="/all-scopes")
    yield Row("one of them", errors.ScopeMissing(scope=more), sent(), path="/all-scopes")
    yield Row("any scope", "ada", sent(), path="/any-scope")
    needed = "payments:write members:read"
    yield Row("none of them", errors.ScopeMissing(scope=needed), sent(scope="x:y"), path="/any-scope")
    yield Row("a new login", "ada", sent(auth_time=now), path="/fresh")
    yield Row("an old login", errors.StepUpRequired(max_age=300), sent(auth_time=now - 400), path="/fresh")
    yield Row("a login that nobody dated", errors.StepUpRequired(max_age=300), sent(), path="/fresh")
    yield Row("refused inside", errors.RoleMissing(), sent(), path="/inside")
    yield Row("allowed inside", "ada", sent(roles=("owner",)), path="/inside")


def _without_cookies(issuer: StandIn) -> Iterator[Row]:
    yield Row("a cookie that nobody reads", errors.TokenMissing(), [("Cookie", f"{COOKIE}={issuer.token()}")])


def _by_cookie(issuer: StandIn) -> Iterator[Row]:
    good = issuer.token(extra={"csrf": "c1"})
    cookie = ("Cookie", f"theme=dark; {COOKIE}={good}")
    here, there = ("Origin", f"http://{HOST}"), ("Origin", "https://evil.example.com")
    csrf = ("X-CSRF-Token", "c1")
    yield Row("by cookie", "ada", [cookie])
    yield Row("by cookie, optional", "ada", [cookie], path="/optional")
    yield Row("to change state", "ada", [cookie, here, csrf], method="POST")
    yield Row("without csrf", errors.CrossSite(), [cookie, here], method="POST")
    yield Row("with another csrf", errors.CrossSite(), [cookie, here, ("X-CSRF-Token", "c2")], method="POST")
    yield Row("from another origin", errors.CrossSite(), [cookie, there, csrf], method="POST")
    yield Row("from no origin", errors.CrossSite(), [cookie, csrf], method="POST")
    yield Row("the same in the header", "ada", [cookie, *bearer(good)], method="POST")
    yield Row("another in the header", errors.CredentialsAmbiguous(), [cookie, *bearer(issuer.token(jti="j2"))])
    yield Row("cookie twice", errors.CredentialsAmbiguous(), [("Cookie", f"{COOKIE}={good}; {COOKIE}={good}")])
    yield Row("a bad cookie", errors.Malformed(), [("Cookie", f"{COOKIE}=x.y")])


def _typed(issuer: StandIn, typ: str) -> str:
    return jwt.encode(claims(issuer.url), issuer.keys[0], typ=typ)


def guarded(issuer: str, *, cookie: bool) -> Guard:
    """The guard of the table."""
    return Guard(issuer, cookie=COOKIE if cookie else None)
