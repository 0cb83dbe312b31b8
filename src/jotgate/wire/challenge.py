"""Errors as HTTP answers: the one table of status, challenge and body (RFC 6750 section 3, RFC 9470 section 3).

    error                                status    WWW-Authenticate: Bearer realm="..."      other headers
    -----                                ------    ------------------------------------      -------------
    TokenMissing                         401       and nothing more
    other TokenErrors                    401       error="invalid_token", error_description
    CredentialsAmbiguous                 400       error="invalid_request"
    Forbidden                            403       error="insufficient_scope", scope if known
    StepUpRequired                       401       error="insufficient_user_authentication", error_description, max_age
    LoginError, GrantError               401       and nothing more
    Throttled, Unavailable               429 503   -                                         Retry-After
    everything else                      its own   -

Every answer has `Cache-Control: no-store`. The body is `{"error", "error_description", "code"}`; `Invalid` adds the
`field` and says what is wrong with it. Other details are for the log alone.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from jotgate.errors import (
    CredentialsAmbiguous,
    Forbidden,
    GrantError,
    Invalid,
    JotgateError,
    LoginError,
    StepUpRequired,
    Throttled,
    TokenError,
    TokenMissing,
    Unavailable,
)
from jotgate.jose import strictjson

_UNQUOTABLE = re.compile(r"[^ -~]")  # a header is ASCII, and a line break would begin another one
_ESCAPED = re.compile(r'(["\\])')  # RFC 9110 section 5.6.4
_NO_SCOPE = re.compile(r"[^ !#-\[\]-~]")  # RFC 6749 section 3.3, with the space between


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, the same in every framework."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer(error: JotgateError, *, realm: str) -> Answer:
    """What the caller is told."""
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if (challenge := challenge_of(error, realm=realm)) is not None:
        headers.append(("WWW-Authenticate", challenge))
    if isinstance(error, Throttled | Unavailable):
        headers.append(("Retry-After", str(error.retry_after)))
    return Answer(error.status, tuple(headers), strictjson.dumps(_body(error)))


def challenge_of(error: JotgateError, *, realm: str) -> str | None:
    """The value of `WWW-Authenticate`, where the table has one."""
    start = _start(realm)
    match error:
        case TokenMissing() | LoginError() | GrantError():
            return start
        case TokenError():
            return f'{start}, error="{error.error}", error_description="{error.description}"'
        case StepUpRequired():
            said = f'error="{error.error}", error_description="{error.description}"'
            return f'{start}, {said}, max_age="{error.max_age}"'
        case CredentialsAmbiguous():
            return f'{start}, error="{error.error}"'
        case Forbidden():
            scope = " ".join(_NO_SCOPE.sub("", error.scope).split())
            return f'{start}, error="{error.error}"' + (f', scope="{scope}"' if scope else "")
        case _:
            return None


@lru_cache(maxsize=64)
def _start(realm: str) -> str:
    """No realm can end its quotes or the header."""
    return 'Bearer realm="{}"'.format(_ESCAPED.sub(r"\\\1", _UNQUOTABLE.sub("?", realm)))


def _body(error: JotgateError) -> dict[str, str]:
    body = {"error": error.error, "error_description": error.description, "code": error.code}
    if isinstance(error, Invalid):
        body["error_description"] = error.detail or error.description
        body["field"] = error.field
    return body
