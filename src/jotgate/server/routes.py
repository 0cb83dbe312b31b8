"""The route table: every path that an issuer answers, as its policy says."""

from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from jotgate.core.policy import Policy
from jotgate.errors import (
    Busy,
    CredentialsAmbiguous,
    CrossSite,
    Forbidden,
    GrantError,
    IdentifierTaken,
    Invalid,
    LoginError,
    NotFound,
    PasswordRefused,
    Refused,
    Replayed,
    StepUpRequired,
    Throttled,
)
from jotgate.server import account, admin, check, feed, script, session, setup, wellknown
from jotgate.server import schemas as shape
from jotgate.server.gate import Route, Who

_METADATA = "/.well-known/oauth-authorization-server"
_CREATED, _NO_CONTENT = HTTPStatus.CREATED, HTTPStatus.NO_CONTENT
_HASHING = (Throttled, Busy)


def routes(policy: Policy) -> tuple[Route, ...]:
    """All rows."""
    prefix = policy.prefix
    rows = [*_tokens(prefix, policy), *_account(prefix, policy), *_public(policy)]
    rows += [*_users(f"{prefix}/admin"), *_roles_and_keys(f"{prefix}/admin")]
    return tuple(rows)


def _tokens(prefix: str, policy: Policy) -> list[Route]:
    answer = shape.CamelTokenAnswer if policy.response_names == "camel" else shape.TokenAnswer
    login = Route(
        "POST",
        f"{prefix}/login",
        session.login,
        "Log in with a password",
        answer,
        body=shape.LoginBody,
        errors=(LoginError, *_HASHING, CrossSite),
    )
    refresh = Route(
        "POST",
        f"{prefix}/refresh",
        session.refresh,
        "Exchange a refresh token for the next pair of tokens",
        answer,
        body=shape.RefreshBody,
        body_needed=policy.transport == "bearer",
        errors=(GrantError, Replayed, CrossSite),
    )
    logout = Route(
        "POST",
        f"{prefix}/logout",
        session.logout,
        "End the session of a refresh token or an access token",
        status=_NO_CONTENT,
        body=shape.RefreshBody,
        body_needed=False,
        errors=(CrossSite,),
    )
    return [login, *([refresh] if policy.refresh else []), *([logout] if policy.logout else [])]


def _account(prefix: str, policy: Policy) -> list[Route]:
    user = Who.USER
    rows = [
        Route("GET", f"{prefix}/me", account.me, "Who the access token speaks for", shape.MeAnswer, who=user),
        Route(
            "POST",
            f"{prefix}/register",
            account.register,
            "Make an account of one's own",
            shape.UserAnswer,
            _CREATED,
            body=shape.RegisterBody,
            errors=(IdentifierTaken, PasswordRefused, Refused, Busy),
        ),
        Route(
            "POST",
            f"{prefix}/password",
            account.password,
            "Change one's own password; every other session ends",
            status=_NO_CONTENT,
            body=shape.PasswordBody,
            who=user,
            errors=(PasswordRefused, LoginError, *_HASHING),
        ),
    ]
    return [*rows, _check(prefix), *(_sessions(prefix) if policy.sessions else [])]


def _check(prefix: str) -> Route:
    return Route(
        "GET",
        f"{prefix}/check",
        check.check,
        "Whether a request may pass, asked by a proxy",
        status=_NO_CONTENT,
        who=Who.USER,
        query=check.QUERY,
        repeated=check.REPEATED,
        headers=tuple(check.IDENTITY),
        errors=(Forbidden, CrossSite, CredentialsAmbiguous, StepUpRequired),
        quiet=True,
    )


def _sessions(prefix: str) -> list[Route]:
    user, row = Who.USER, "/sessions/{id}"
    return [
        Route(
            "POST",
            f"{prefix}/logout-all",
            session.logout_all,
            "End all of one's sessions",
            status=_NO_CONTENT,
            who=user,
        ),
        Route("GET", f"{prefix}/sessions", session.sessions, "One's open sessions", shape.SessionsAnswer, who=user),
        Route(
            "DELETE",
            f"{prefix}{row}",
            session.end_session,
            "End one of one's sessions",
            status=_NO_CONTENT,
            who=user,
            errors=(NotFound,),
        ),
    ]


def _public(policy: Policy) -> list[Route]:
    probe = partial(Route, quiet=True, needs_start=False)
    rows = [
        Route("GET", "/.well-known/jwks.json", wellknown.jwks, "Public keys", shape.KeySetAnswer),
        *_metadata(urlsplit(policy.issuer).path),
        probe("GET", "/healthz", wellknown.healthz, "Alive", shape.StatusAnswer),
        Route("GET", "/readyz", wellknown.readyz, "Ready to serve", shape.StatusAnswer, quiet=True),
        probe("GET", "/metrics", wellknown.metrics, "Figures for Prometheus", media="text/plain"),
        Route("GET", "/openapi.json", wellknown.openapi, "This document", needs_start=False),
        probe("GET", f"{policy.prefix}/client.js", script.module, "The browser module", media="text/javascript"),
    ]
    if policy.revocation:
        rows.append(
            Route(
                "GET",
                "/revocations",
                feed.revocations,
                "Revocations behind a cursor",
                shape.FeedAnswer,
                query=("after", "wait"),
                errors=(Invalid,),
                quiet=True,
            )
        )
    return rows if policy.symmetric else [*rows, *_setup(policy.prefix)]


def _metadata(path: str) -> list[Route]:
    """RFC 8414 section 3.1: between the host and the issuer's path, and where others look for it, behind the path."""
    about = "Metadata (RFC 8414)"
    places = [_METADATA, _METADATA + path] if path else [_METADATA]
    return [Route("GET", at, wellknown.metadata, about, shape.MetadataAnswer, needs_start=False) for at in places]


def _setup(prefix: str) -> list[Route]:
    """The set-up link makes an administrator, and under HS256 there is none."""
    return [
        Route(
            "GET",
            f"{prefix}/setup",
            setup.show,
            "The set-up page",
            query=("token",),
            media="text/html",
            needs_start=False,
        ),
        Route(
            "POST",
            f"{prefix}/setup",
            setup.submit,
            "Make the first administrator by the set-up link",
            shape.UserAnswer,
            _CREATED,
            body=shape.SetupBody,
            form=True,
            errors=(PasswordRefused, IdentifierTaken, Busy),
        ),
    ]


def _users(prefix: str) -> list[Route]:
    who, one = Who.ADMINISTRATOR, f"{prefix}/users/{{id}}"
    return [
        Route("GET", f"{prefix}/users", admin.users, "Users", shape.UsersAnswer, query=("after", "limit"), who=who),
        Route(
            "POST",
            f"{prefix}/users",
            admin.add_user,
            "Add a user",
            shape.UserAnswer,
            _CREATED,
            body=shape.UserBody,
            who=who,
            errors=(IdentifierTaken, PasswordRefused, Busy),
        ),
        Route("GET", one, admin.user, "A user", shape.UserAnswer, who=who, errors=(NotFound,)),
        Route(
            "PATCH",
            one,
            admin.change_user,
            "Disable or enable a user, set roles or name",
            shape.UserAnswer,
            body=shape.UserChange,
            who=who,
            errors=(NotFound,),
        ),
        Route("DELETE", one, admin.remove_user, "Remove a user", status=_NO_CONTENT, who=who, errors=(NotFound,)),
        Route(
            "POST",
            f"{one}/password",
            admin.reset_password,
            "Set a user's password; every session ends",
            status=_NO_CONTENT,
            body=shape.NewPasswordBody,
            who=who,
            errors=(NotFound, PasswordRefused, Busy),
        ),
        Route("GET", f"{one}/sessions", admin.user_sessions, "A user's open sessions", shape.SessionsAnswer, who=who),
        Route(
            "DELETE",
            f"{prefix}/sessions/{{id}}",
            admin.end_session,
            "End anybody's session",
            status=_NO_CONTENT,
            who=who,
            errors=(NotFound,),
        ),
    ]


def _roles_and_keys(prefix: str) -> list[Route]:
    who, role = Who.ADMINISTRATOR, f"{prefix}/roles/{{name}}"
    return [
        Route("GET", f"{prefix}/roles", admin.roles, "Roles and their permissions", shape.RolesAnswer, who=who),
        Route("PUT", role, admin.set_role, "Set a role's permissions", shape.RoleAnswer, body=shape.RoleBody, who=who),
        Route("DELETE", role, admin.remove_role, "Remove a role", status=_NO_CONTENT, who=who, errors=(NotFound,)),
        Route("GET", f"{prefix}/keys", admin.keys, "Signing keys", shape.KeysAnswer, who=who),
        Route(
            "POST",
            f"{prefix}/keys/rotate",
            admin.rotate_keys,
            "The next key signs from now on",
            shape.KeysAnswer,
            body=shape.RotateBody,
            body_needed=False,
            who=who,
            errors=(Refused,),
        ),
        Route(
            "POST",
            f"{prefix}/keys/{{kid}}/revoke",
            admin.revoke_key,
            "Revoke a key: its tokens are dead at once",
            shape.KeysAnswer,
            who=who,
            errors=(NotFound,),
        ),
    ]
