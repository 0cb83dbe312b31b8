"""The table of settings: each one's name, what is allowed, and how its text is read.

A reader takes what the environment (text) or the TOML file (text, number, boolean, list) holds and gives the value, or
raises `ValueError`. What is allowed is written once, here, for the complaint and for the documentation.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from jotgate.core.policy import ALGORITHMS, DAY, EXTRA_CLAIMS, IDENTIFIERS, PROFILES
from jotgate.wire.loopback import is_loopback

Raw = str | int | float | bool | list[object]
Reader = Callable[[Raw], object]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_REDIS = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_YES_NO = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `name` in lower case as in the TOML file; `JOTGATE_` and capitals in the environment."""

    name: str
    allowed: str
    read: Reader
    secret: bool = False

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return f"JOTGATE_{self.name.upper()}"

    @property
    def by_file(self) -> bool:
        """Whether `NAME_FILE` may name a file that holds the value: what is secret, or may hold a password."""
        return self.secret or self.name.endswith("_url")


def _text(raw: Raw) -> str:
    if not isinstance(raw, str) or not raw.strip() or not raw.isprintable():
        raise ValueError
    return raw.strip()


def _secret(at_least: int, distinct: int = 1) -> Callable[[Raw], bytes]:
    def read(raw: Raw) -> bytes:
        value = _text(raw).encode()
        if len(value) < at_least or len(set(value)) < distinct:
            raise ValueError
        return value

    return read


def _secrets(raw: Raw) -> tuple[bytes, ...]:
    read = _secret(32, distinct=8)
    return tuple(read(item) for item in _items(raw))


def _whole(lowest: int, highest: int) -> Reader:
    def read(raw: Raw) -> int:
        if (
            isinstance(raw, bool)
            or not isinstance(raw, int | str)
            or not re.fullmatch(r"\d{1,9}", str(raw).strip(), re.ASCII)
        ):
            raise ValueError
        if not lowest <= (number := int(raw)) <= highest:
            raise ValueError
        return number

    return read


def _span(lowest: int, highest: int) -> Reader:
    whole = _whole(lowest, highest)

    def read(raw: Raw) -> object:
        match = re.fullmatch(r"(\d{1,9})([smhd])", raw.strip().lower(), re.ASCII) if isinstance(raw, str) else None
        return whole(int(match[1]) * _UNITS[match[2]]) if match else whole(raw)

    return read


def _choice(*words: str) -> Reader:
    by_folded = {word.casefold(): word for word in words}

    def read(raw: Raw) -> str:
        try:
            return by_folded[_text(raw).casefold()]
        except KeyError:
            raise ValueError from None

    return read


def _switch(raw: Raw) -> bool:
    if isinstance(raw, bool):
        return raw
    try:
        return _YES_NO[_text(raw).lower()]
    except KeyError:
        raise ValueError from None


def _items(raw: Raw) -> tuple[str, ...]:
    parts = raw if isinstance(raw, list) else raw.replace(",", " ").split() if isinstance(raw, str) else None
    if parts is None:
        raise ValueError
    return tuple(dict.fromkeys(_text(part) if isinstance(part, str) else _text(False) for part in parts))


def _list(read: Reader, *, at_least: int = 0) -> Reader:
    def read_all(raw: Raw) -> tuple[object, ...]:
        values = tuple(read(item) for item in _items(raw))
        if len(values) < at_least:
            raise ValueError
        return values

    return read_all


def loopback(host: str) -> bool:
    """Whether `host` (a name or an address) can only be this machine."""
    return is_loopback(host.strip("[]"))


def _issuer(raw: Raw) -> str:
    url = _text(raw)
    parts = urlsplit(url)
    plain = parts.scheme == "http" and loopback(parts.hostname or "")
    if not (parts.scheme == "https" or plain) or not parts.hostname or parts.port == 0:
        raise ValueError
    if "@" in parts.netloc or "?" in url or "#" in url or " " in url or url.endswith("/"):
        raise ValueError
    return url


def _origin(raw: Raw) -> str:
    origin = _text(raw).lower()
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
        raise ValueError
    if not parts.hostname or "@" in parts.netloc or "*" in parts.netloc or parts.port == 0:
        raise ValueError
    return origin


def _prefix(raw: Raw) -> str:
    prefix = raw.strip() if isinstance(raw, str) else "?"
    if prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix, re.ASCII):
        raise ValueError
    if prefix.split("/")[1:2] in (["."], [".."], [".well-known"], ["revocations"]):
        raise ValueError
    return prefix


def _database(raw: Raw) -> str:
    """The path of the SQLite file, ":memory:", or the whole URL of a PostgreSQL database."""
    text = _text(raw)
    if match := re.fullmatch(r"sqlite:///(.+)", text):
        return match[1]
    parts = urlsplit(text)
    for host in parts.netloc.rpartition("@")[2].split(","):  # several are one cluster
        _url("postgresql", "postgres")(urlunsplit(parts._replace(netloc=host)))
    return text


def _url(*schemes: str) -> Callable[[Raw], str]:
    """A URL of these schemes with a host, or a path that says where."""

    def read(raw: Raw) -> str:
        url = _text(raw)
        parts = urlsplit(url)
        if parts.scheme not in schemes or not (parts.netloc or parts.path or parts.query) or parts.port == 0:
            raise ValueError
        return url

    return read


def _urls(*schemes: str) -> Reader:
    """One such URL, or several of one cluster."""
    return _list(_url(*schemes), at_least=1)


def _feed_token(raw: Raw) -> str:
    token = _text(raw)
    if not re.fullmatch(
        r"[A-Za-z0-9._~+/-]{16,512}=*", token, re.ASCII
    ):  # what fits after "Bearer " (RFC 6750 section 2.1)
        raise ValueError
    return token


def _network(raw: Raw) -> str:
    return str(ipaddress.ip_network(_text(raw), strict=False))


def _email(raw: Raw) -> str:
    email = _text(raw)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise ValueError
    return email


_UNGUESSABLE = (
    "at least 32 characters that nobody can guess, such as from: "
    "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
)

SETTINGS: tuple[Setting, ...] = (
    Setting("issuer", "a public https:// URL without query or slash at its end (http:// on loopback only)", _issuer),
    Setting("host", "an address or host name to listen on, such as 127.0.0.1", _text),
    Setting("port", "a number from 0 (any free port) to 65535", _whole(0, 65535)),
    Setting("data_dir", "the path of a directory", _text),
    Setting("database_url", "sqlite:///PATH or postgresql://USER@HOST/DATABASE", _database),
    Setting("database_pool", "connections to PostgreSQL of one process, from 1 to 200", _whole(1, 200)),
    Setting("database_pgbouncer", "on (PgBouncer in transaction mode stands before PostgreSQL) or off", _switch),
    Setting("redis_url", "redis://, rediss:// or redis+cluster://HOST:PORT", _url(*_REDIS)),
    Setting("nats_url", "nats:// or tls://HOST:PORT, or several, separated by commas", _urls("nats", "tls")),
    Setting("secret", _UNGUESSABLE, _secret(32, distinct=8), secret=True),
    Setting("secret_previous", f"earlier secrets, separated by commas, each {_UNGUESSABLE}", _secrets, secret=True),
    Setting("hs256_secret", _UNGUESSABLE, _secret(32, distinct=8), secret=True),
    Setting("feed_token", "16 to 512 letters, digits and . _ ~ + / - characters", _feed_token, secret=True),
    Setting("profile", "one of " + ", ".join(PROFILES), _choice(*PROFILES)),
    Setting("prefix", "a path such as /auth, without slash at its end, or nothing", _prefix),
    Setting("audience", "one or more audiences, separated by commas", _list(_text, at_least=1)),
    Setting("algorithm", "one of " + ", ".join(ALGORITHMS), _choice(*ALGORITHMS)),
    Setting("access_ttl", "10 seconds to 24 hours, such as 900 or 15m", _span(10, DAY)),
    Setting("refresh_ttl", "1 minute to 400 days, such as 30d", _span(60, 400 * DAY)),
    Setting("refresh_idle", "1 minute to 400 days, such as 14d", _span(60, 400 * DAY)),
    Setting("refresh_grace", "0 to 5 minutes, such as 30s", _span(0, 300)),
    Setting("refresh_recovery", "0 (off) to 7 days, such as 24h", _span(0, 7 * DAY)),
    Setting("refresh", "rotating or off", _choice("rotating", "off")),
    Setting("sessions", "on or off", _switch),
    Setting("revocation", "on or off", _switch),
    Setting("login_identifiers", "email, username, or both", _list(_choice(*IDENTIFIERS), at_least=1)),
    Setting("registration", "open or closed", _choice("open", "closed")),
    Setting("password_min_length", "a number from 8 to 128", _whole(8, 128)),
    Setting("response_names", "oauth or camel", _choice("oauth", "camel")),
    Setting("extra_claims", "any of " + ", ".join(EXTRA_CLAIMS), _list(_choice(*EXTRA_CLAIMS))),
    Setting("transport", "bearer, cookie or both", _choice("bearer", "cookie", "both")),
    Setting("cors_origins", "origins such as https://app.example.com, separated by commas, without *", _list(_origin)),
    Setting("trusted_proxies", "addresses or networks such as 10.0.0.0/8, separated by commas", _list(_network)),
    Setting("workers", "worker processes, from 1 to 256", _whole(1, 256)),
    Setting("sqlite_workers", "on (several workers share an SQLite file) or off", _switch),
    Setting("drain", "0 to 5 minutes, such as 10s", _span(0, 300)),
    Setting("log_format", "text or json", _choice("text", "json")),
    Setting("log_level", "debug, info, warning or error", _choice("debug", "info", "warning", "error")),
    Setting("admin_email", "an e-mail address", _email),
    Setting("admin_password", "12 to 256 characters that are not easy to guess", _text, secret=True),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
