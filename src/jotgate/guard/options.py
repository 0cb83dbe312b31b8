"""What a guard can be told, with every complaint at once.

    option           allowed
    -------------    ------------------------------------------------------------------------------------------------
    issuer           the `iss` of its tokens: an https URL (plain http on loopback); any text if nothing is fetched
    audience         the `aud` that is us; None: the issuer itself
    algorithms       names of `jotgate.jose.ALGS`; None: all with public keys, HS256 with a secret
    leeway           0 to 60 seconds
    max_lifetime     seconds from `iat` to `exp` at most
    jwks             a key set, given instead of fetched
    hs256_secret     at least 32 bytes, instead of public keys
    cache            verified tokens to remember
    feed_token       for a feed that asks for one
    feed             NATS servers that bring the feed as well: nats:// or tls://HOST:PORT, one or several of a cluster
    revocation       "push": read the feed; None: tokens end at `exp`; "auto": "push" where keys are fetched as well
    on_stale         without fresh news "serve" until `exp`, or "deny"
    max_staleness    seconds; older news are not fresh
    cookie           the name of a cookie that may carry the token
    origins          other origins whose pages may change state by that cookie
    realm            named in challenges
    observe          a callable that is told what happens (`jotgate.guard.observe`), or None; not in the environment

The environment has JOTGATE_ISSUER, JOTGATE_AUDIENCE, JOTGATE_HS256_SECRET and JOTGATE_FEED_TOKEN, the issuer's own
settings, and the others as JOTGATE_GUARD_LEEWAY and so on. Each may stand in a file that the name with _FILE gives.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from jotgate.errors import KeyRefused, SettingsError
from jotgate.guard.known import SharedSecret
from jotgate.guard.observe import Event
from jotgate.jose import jwk, jwks
from jotgate.jose.algs import ALGS
from jotgate.jose.claims import MAX_LEEWAY
from jotgate.jose.jwks import KeySet
from jotgate.wire.loopback import is_loopback

_PUBLIC: Final = tuple(name for name, row in ALGS.items() if row.kty != "oct")
_COOKIE: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_INJECTED: Final = re.compile(r"JOTGATE_GUARD_(SERVICE_|PORT(_|$))")  # by Kubernetes, for a service of this name
_SECRET: Final = frozenset({"feed_token", "feed"})  # or it may hold a password
_ORIGIN: Final = re.compile(r"https?://[^/?#@\s]+")


@dataclass(frozen=True, slots=True)
class Options:
    """As the table above says. Raises `SettingsError` for what is not allowed."""

    issuer: str
    audience: str | None = None
    algorithms: tuple[str, ...] | None = None
    leeway: int = 10
    max_lifetime: int = 86_400
    jwks: Mapping[str, Any] | KeySet | str | bytes | None = field(default=None, repr=False)
    hs256_secret: str | bytes | None = field(default=None, repr=False)
    cache: int = 10_000
    feed_token: str | None = field(default=None, repr=False)
    feed: tuple[str, ...] = field(default=(), repr=False)
    revocation: Literal["auto", "push"] | None = "auto"
    on_stale: Literal["serve", "deny"] = "serve"
    max_staleness: int = 30
    cookie: str | None = None
    origins: tuple[str, ...] = ()
    realm: str = "api"
    observe: Callable[[Event], object] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        complaints = tuple(_complaints(self))
        if complaints:
            raise SettingsError(complaints)

    @property
    def fetches(self) -> bool:
        """Whether the keys come from the issuer."""
        return self.jwks is None and self.hs256_secret is None

    @property
    def pushes(self) -> bool:
        """Whether the feed is read."""
        return self.revocation == "push" or (self.revocation == "auto" and self.fetches)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The algorithms that a key may be for."""
        return self.algorithms or (_PUBLIC if self.hs256_secret is None else ("HS256",))


def given_keys(options: Options) -> KeySet | SharedSecret | None:
    """The keys that need not be fetched, narrowed to the accepted algorithms. Raises `KeyRefused`."""
    if options.hs256_secret is not None:
        return SharedSecret(jwk.from_private_bytes(options.accepted[0], None, _bytes(options.hs256_secret)))
    if options.jwks is None:
        return None
    keys = options.jwks if isinstance(options.jwks, KeySet) else jwks.parse(options.jwks)
    usable = jwks.of(*(key for key in keys.keys if key.alg in options.accepted))
    if not usable.keys:
        raise KeyRefused("the set has no key for the algorithms that are accepted here")
    return usable


def several(given: Any) -> Any:
    """A tuple, where that can be made; what cannot is complained about."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, Iterable) else given


# --- complaints


def _complaints(options: Options) -> Iterator[str]:
    yield from _of_issuer(options)
    yield from _of_keys(options)
    for name, allowed, is_allowed in _PLAIN:
        value = getattr(options, name)
        if not is_allowed(value):
            shown = "" if name in _SECRET else f" = {value!r}"
            yield f"{name}{shown}: allowed is {allowed}"
    if options.feed and not options.pushes:
        yield 'feed: there are no news to bring; set revocation to "push"'
    if options.on_stale == "deny" and not options.pushes:
        yield 'on_stale = "deny": there are no news to grow stale; set revocation to "push"'


def _of_issuer(options: Options) -> Iterator[str]:
    if not _is_text(options.issuer):
        yield f"issuer = {options.issuer!r}: allowed is a text that is not empty"
    elif (options.fetches or options.pushes) and not _is_safe_url(options.issuer):
        yield (
            f"issuer = {options.issuer!r}: allowed is an https URL without query and fragment, "
            "or plain http on loopback, because keys or revocations are fetched from there"
        )


def _of_keys(options: Options) -> Iterator[str]:
    if options.jwks is not None and options.hs256_secret is not None:
        yield "jwks, hs256_secret: give one of the two"
    algorithms = options.algorithms
    if algorithms is not None and not (_are_texts(algorithms) and algorithms and ALGS.keys() >= {*algorithms}):
        yield f"algorithms = {algorithms!r}: allowed is one or more of {', '.join(ALGS)}"
        return
    secret = options.hs256_secret is not None
    if any((ALGS[name].kty == "oct") is not secret for name in options.accepted) or (
        secret and len(options.accepted) > 1
    ):
        yield f"algorithms = {algorithms!r}: allowed is one HMAC with hs256_secret, and none without it"
        return
    try:
        given_keys(options)
    except KeyRefused as error:
        yield f"{'hs256_secret' if secret else 'jwks'}: {error.detail}"
    except (TypeError, AttributeError):
        yield f"{'hs256_secret' if secret else 'jwks'}: allowed is {'text or bytes' if secret else 'a key set'}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _is_safe_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        if url.port == 0 or not url.hostname:
            return False
    except ValueError:
        return False
    if url.query or url.fragment or url.username is not None or not text.isascii() or " " in text:
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))


def _is_nats_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        if url.port == 0 or not url.hostname:
            return False
    except ValueError:
        return False
    rest = url.path.strip("/") or url.query or url.fragment
    return url.scheme in {"nats", "tls"} and not rest and text.isprintable() and " " not in text


def _is_whole(lowest: int, highest: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and lowest <= value <= highest


_PLAIN: Final[tuple[tuple[str, str, Callable[[Any], object]], ...]] = (
    ("audience", "a text that is not empty, or None", lambda value: value is None or _is_text(value)),
    ("leeway", f"0 to {MAX_LEEWAY} seconds", _is_whole(0, MAX_LEEWAY)),
    ("max_lifetime", "1 second to a year", _is_whole(1, 366 * 86_400)),
    ("cache", "0 to 10,000,000 tokens", _is_whole(0, 10_000_000)),
    ("feed_token", "a text in ASCII without spaces, or None", lambda value: value is None or _is_token(value)),
    (
        "feed",
        "nats:// or tls://HOST:PORT, one or several, with USER:PASSWORD@ or TOKEN@ where they ask for it",
        lambda value: _are_texts(value) and all(map(_is_nats_url, value)),
    ),
    ("revocation", '"auto", "push" or None', lambda value: value in ("auto", "push", None)),
    ("on_stale", '"serve" or "deny"', lambda value: value in ("serve", "deny")),
    ("max_staleness", "2 seconds to a day", _is_whole(2, 86_400)),
    (
        "cookie",
        "a cookie's name, or None",
        lambda value: value is None or (_is_text(value) and _COOKIE.fullmatch(value) is not None),
    ),
    (
        "origins",
        "origins such as https://app.example.com",
        lambda value: _are_texts(value) and all(map(_ORIGIN.fullmatch, value)),
    ),
    ("realm", "a text that is not empty", _is_text),
    ("observe", "a callable, or None", lambda value: value is None or callable(value)),
)


def _is_token(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and _is_text(value) and " " not in value


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


# --- the environment

_SHARED: Final = ("issuer", "audience", "hs256_secret", "feed_token")
_WHOLE: Final = ("leeway", "max_lifetime", "cache", "max_staleness")
_LISTS: Final = ("algorithms", "origins", "feed")


def from_env(environ: Mapping[str, str]) -> Options:
    """The options that the environment gives. Raises `SettingsError` with every complaint."""
    complaints: list[str] = []
    values: dict[str, Any] = {}
    names = {_variable(entry.name): entry.name for entry in fields(Options) if entry.name != "observe"}
    for variable, name in names.items():
        text = _text(environ, variable, complaints)
        if text is not None:
            values[name] = _value(name, text)
    known = names.keys() | {f"{variable}_FILE" for variable in names}
    complaints += [
        f"{variable}: there is no such option"
        for variable in sorted(environ)
        if variable.startswith("JOTGATE_GUARD_") and variable not in known and not _INJECTED.match(variable)
    ]
    if "issuer" not in values:
        complaints.append("JOTGATE_ISSUER: is needed")
        values["issuer"] = "https://issuer.invalid"
    try:
        options = Options(**values)
    except SettingsError as error:
        complaints += [f"{_variable_in(complaint)}" for complaint in error.complaints]
    if complaints:
        raise SettingsError(tuple(complaints))
    return options


def _variable(name: str) -> str:
    return f"JOTGATE_{'' if name in _SHARED else 'GUARD_'}{name.upper()}"


def _variable_in(complaint: str) -> str:
    name = re.split(r"[ ,:]", complaint)[0]
    return _variable(name) + complaint.removeprefix(name)


def _text(environ: Mapping[str, str], variable: str, complaints: list[str]) -> str | None:
    path = environ.get(f"{variable}_FILE")
    if path is None:
        return environ.get(variable)
    if variable in environ:
        complaints.append(f"{variable} and {variable}_FILE: give one of the two")
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        complaints.append(f"{variable}_FILE = {path!r}: the file cannot be read ({type(error).__name__})")
        return None


def _value(name: str, text: str) -> Any:
    """A text that is no number stays one, for the complaint."""
    if name in _WHOLE and re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return int(text)
    if name in _LISTS:
        return tuple(text.replace(",", " ").split())
    if name == "revocation" and text.strip().lower() in {"off", "none"}:
        return None
    return text.strip()
