"""The issuer, as a client talks to it: one POST at a time, nothing followed, bounded in time and size (RFC 6749).

    limit                    why
    ---------------------    ----------------------------------------------------------
    https                    plain http only to loopback: passwords and tokens go there
    no redirect              another address is another issuer
    the environment's proxy  for https alone, which it cannot read
    64 KiB                   no answer of an issuer is larger

Asked again while an answer may still come: after 0.25 s, twice as long each time, 8 s at most, thrown up to half longer
or shorter. The first wait is short, for a lost answer is the common case and the issuer repeats it.
"""

import http.client
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib import request
from urllib.parse import urlsplit

from jotgate.client.answers import Away, Heard, Silence
from jotgate.client.flight import rest
from jotgate.errors import Misuse
from jotgate.jose import strictjson
from jotgate.wire.loopback import is_loopback

MAX_BYTES: Final = 65_536
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "jotgate-client"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where it is and how long to wait for it: one answer, and all tries of one renewal. Raises `Misuse`."""

    url: str
    prefix: str = "/auth"
    timeout_seconds: float = 10.0
    patience_seconds: float = 30.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.query or parts.fragment or "@" in parts.netloc or not parts.hostname:
            raise Misuse(f"issuer {self.url!r}: an https URL without user, query and fragment is needed")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise Misuse(f"issuer {self.url!r}: https is needed; plain http is for loopback alone")
        object.__setattr__(self, "url", self.url.rstrip("/"))
        object.__setattr__(self, "prefix", self.prefix.rstrip("/"))

    def post(self, path: str, body: Mapping[str, Any], *, bearer: str | None = None) -> Heard | Silence:
        """The answer to one POST."""
        headers = _HEADERS if bearer is None else {**_HEADERS, "Authorization": f"Bearer {bearer}"}
        url = self.url + self.prefix + path
        asking = request.Request(url, strictjson.dumps(body), {**headers}, method="POST")  # noqa: S310  # checked above
        sent_at = self.clock()
        try:
            with _opener(asking.type, self.tls).open(asking, timeout=self.timeout_seconds) as answer:
                heard_at = self.clock()
                content = _content(answer, until=time.monotonic() + self.timeout_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Silence(f"no answer from {self.url}: {_reason(error)}")
        if len(content) > MAX_BYTES or answer.length:
            return Silence(f"no whole answer from {self.url}, or too long a one")
        said = answer.headers
        return Heard(
            answer.status,
            content,
            at=(sent_at + heard_at) / 2,
            date=said.get("Date", ""),
            retry_after=said.get("Retry-After", ""),
        )

    def persevere(self, ask: Callable[[], T]) -> T:
        """Ask until there is an outcome or patience ends."""
        until = time.monotonic() + self.patience_seconds
        longest = _FIRST_PAUSE
        while True:
            outcome = ask()
            if not isinstance(outcome, Away) or not outcome.again:
                return outcome
            pause = max(outcome.retry_after, longest * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            if time.monotonic() + pause > until or not rest(pause):
                return outcome
            longest = min(2 * longest, _LONGEST_PAUSE)


def _opener(scheme: str, tls: ssl.SSLContext | None) -> request.OpenerDirector:
    """Without the handlers that would follow a redirect or raise for a status."""
    opener = request.OpenerDirector()
    if scheme == "https":
        opener.add_handler(request.ProxyHandler())
        opener.add_handler(request.HTTPSHandler(context=tls or ssl.create_default_context()))
    else:
        opener.add_handler(request.HTTPHandler())
    return opener


def _content(answer: Any, *, until: float) -> bytes:
    """A little more than is allowed, if there is; raises `TimeoutError` for drops that do not end."""
    content = b""
    while len(content) <= MAX_BYTES and (piece := answer.read1(MAX_BYTES)):
        content += piece
        if time.monotonic() > until:
            raise TimeoutError("the answer took too long")
    return content


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    return f"{type(error).__name__}: {error}" if inner is None else f"{type(inner).__name__}: {inner}"
