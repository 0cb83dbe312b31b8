"""Settings: flags over environment over TOML file -> `Settings`, with every complaint at once.

    source          spelling                     a secret from a file
    -----------     -------------------------    -----------------------
    flags           --port 8000                  (no secret is a flag)
    environment     JOTGATE_PORT=8000            JOTGATE_SECRET_FILE=path
    jotgate.toml    port = 8000                  secret_file = "path"

A profile is a set of defaults; whatever is set by itself wins over it.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jotgate.core import policy
from jotgate.errors import SettingsError
from jotgate.setting_table import BY_NAME, SETTINGS, Raw, Setting, loopback

HOST, PORT = "127.0.0.1", 8000
DEFAULT_FILE = "jotgate.toml"
_MEMORY = ":memory:"
_POSTGRES = re.compile("postgres(ql)?:")
# What is meant for others: test runs, guards in the same environment, and what Kubernetes injects for services.
_NOT_OURS = re.compile(r"JOTGATE_((TEST|GUARD)_.*|(.+_)?SERVICE_(HOST|PORT.*)|(.+_)?PORT_\d+_(TCP|UDP|SCTP).*)")
_POLICY_NAMES = {"refresh_grace": "grace", "refresh_recovery": "recovery"}
_INJECTED = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator has chosen; secrets do not show."""

    policy: policy.Policy
    host: str = HOST
    port: int = PORT
    data_dir: Path = Path("jotgate-data")
    database: str = field(
        default="", repr=False
    )  # path of the SQLite file, ":memory:", or a URL; nothing: jotgate.db in the data directory
    database_pool: int = 10
    database_pgbouncer: bool = False
    redis_url: str | None = field(default=None, repr=False)  # it may hold a password, as `database` may
    nats_url: tuple[str, ...] = field(default=(), repr=False)
    secret: bytes | None = field(default=None, repr=False)
    secret_previous: tuple[bytes, ...] = field(default=(), repr=False)
    hs256_secret: bytes | None = field(default=None, repr=False)
    feed_token: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    workers: int = 1
    sqlite_workers: bool = False
    drain: int = 0
    log_format: str = "text"
    log_level: str = "info"
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)

    @property
    def postgres(self) -> str | None:
        """The URL of the PostgreSQL database; None: it is SQLite's."""
        return self.database if _POSTGRES.match(self.database) else None

    @property
    def database_path(self) -> Path | None:
        """Where the SQLite file is; None: in memory, or there is none."""
        if self.database == _MEMORY or self.postgres:
            return None
        return Path(self.database or self.data_dir / "jotgate.db")

    @property
    def database_name(self) -> str:
        """Which database it is, for people: a path or a URL without its password."""
        if self.postgres:
            return without_password(self.postgres)
        return str(self.database_path or "in memory: all is lost at the end")


@dataclass(frozen=True, slots=True)
class _Given:
    """A value before it is read, and the spelling that its complaint uses."""

    spelling: str
    raw: Raw


def load(
    environ: Mapping[str, str],
    *,
    file: str | Path | None = None,
    flags: Mapping[str, Raw | None] | None = None,
    issuer: str | None = None,
) -> Settings:
    """Read all sources. `file` must exist when it is named; `./jotgate.toml` is read if it is there.

    `issuer` is who it is when no source says so; else host and port tell.

    Raises `SettingsError` with every complaint.
    """
    complaints: list[str] = []
    given = _from_file(file, complaints) | _from_environment(environ, complaints)
    given |= {
        name: _Given(f"--{name.replace('_', '-')}", raw) for name, raw in (flags or {}).items() if raw is not None
    }
    if issuer is not None:
        given.setdefault("issuer", _Given("issuer", issuer))
    values: dict[str, Any] = {}
    for name, item in given.items():
        try:
            values[name] = BY_NAME[name].read(item.raw)
        except ValueError:
            complaints.append(_complaint(BY_NAME[name], item))
    if not complaints:
        complaints.extend(_contradictions(values))
    if complaints:
        raise SettingsError(tuple(complaints))
    return _settings(values)


def _complaint(setting: Setting, item: _Given) -> str:
    raw = item.raw
    value = repr(without_password(raw)) if isinstance(raw, str) else without_password(repr(raw))
    shown = "" if setting.secret else f" = {value}"
    return f"{item.spelling}{shown}: allowed is {setting.allowed}"


def without_password(text: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"(password=)[^&]*", r"\1...", re.sub(r"//[^@/]*@", "//...@", text))


# --- the sources


def _from_environment(environ: Mapping[str, str], complaints: list[str]) -> dict[str, _Given]:
    spelled = {setting.variable: setting.name for setting in SETTINGS}
    given: dict[str, _Given] = {}
    known = list(spelled) + [setting.variable + "_FILE" for setting in SETTINGS if setting.by_file]
    for variable in sorted(name for name in environ if name.startswith("JOTGATE_")):
        value = environ[variable]
        if _NOT_OURS.fullmatch(variable) or (variable.endswith("_PORT") and _INJECTED.match(value)):
            continue
        if variable not in known:
            complaints.extend(_misspelt(variable, known))
            continue
        name = spelled.get(variable) or spelled[variable.removesuffix("_FILE")]
        _take(given, name, _Given(variable, value), complaints=complaints)
    return given


def _from_file(file: str | Path | None, complaints: list[str]) -> dict[str, _Given]:
    path = Path(file or DEFAULT_FILE)
    if file is None and not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        complaints.append(f"{path}: cannot be read ({error.strerror})")
        return {}
    except ValueError:  # its text quotes the line, and with it perhaps a secret
        complaints.append(f"{path}: is not valid TOML")
        return {}
    given: dict[str, _Given] = {}
    known = [setting.name for setting in SETTINGS] + [f"{setting.name}_file" for setting in SETTINGS if setting.by_file]
    for key, raw in table.items():
        if key not in known:
            complaints.extend(_misspelt(key, known) or [f"{key} in {path}: there is no such setting"])
            continue
        _take(
            given,
            key if key in BY_NAME else key.removesuffix("_file"),
            _Given(f"{key} in {path}", raw),
            complaints=complaints,
        )
    return given


def _take(given: dict[str, _Given], name: str, item: _Given, *, complaints: list[str]) -> None:
    """Note one value; what is named by a file is read from it."""
    if name in given:
        complaints.append(f"{given[name].spelling} and {item.spelling}: give one of the two")
        return
    is_file = item.spelling.split(" ")[0].lower().endswith("_file")
    if not is_file:
        given[name] = item
        return
    try:
        text = Path(str(item.raw)).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        complaints.append(f"{item.spelling} = {item.raw!r}: the file cannot be read ({reason})")
        return
    given[name] = _Given(item.spelling, text.strip())


def _misspelt(name: str, known: list[str]) -> list[str]:
    bare = {spelling.removeprefix("JOTGATE_"): spelling for spelling in known}
    close = difflib.get_close_matches(name.removeprefix("JOTGATE_"), bare, n=1, cutoff=0.75)
    return [f"{name}: there is no such setting; did you mean {bare[close[0]]}?"] if close else []


# --- what they say together


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"JOTGATE_{sentence}" for sentence in policy.complaints(_policy(values)))
    if "issuer" not in values and not loopback(values.get("host", HOST)):
        yield f"JOTGATE_ISSUER: is needed, because JOTGATE_HOST = {values['host']!r} can be reached from other machines"
    for given, missing in (("admin_password", "admin_email"), ("admin_email", "admin_password")):
        if given in values and missing not in values:
            yield f"JOTGATE_{missing.upper()}: is needed, because JOTGATE_{given.upper()} is set"


def _policy(values: Mapping[str, Any]) -> policy.Policy:
    """The profile's defaults, and what was chosen alone."""
    chosen = {_POLICY_NAMES.get(name, name): value for name, value in values.items()}
    if "refresh" in chosen:
        chosen["refresh"] = chosen["refresh"] == "rotating"
    host = values.get("host", HOST)
    issuer = values.get("issuer") or f"http://{f'[{host}]' if ':' in host else host}:{values.get('port', PORT)}"
    own = {name: chosen[name] for name in policy.FIELDS & chosen.keys() - {"issuer", "profile"}}
    return policy.policy_for(issuer, values.get("profile", "standard"), **own)


def _settings(values: Mapping[str, Any]) -> Settings:
    names = set(Settings.__dataclass_fields__) & set(values)
    chosen = {name: values[name] for name in names}
    if "database_url" in values:
        chosen["database"] = values["database_url"]
    if "data_dir" in values:
        chosen["data_dir"] = Path(values["data_dir"]).expanduser()
    return Settings(policy=_policy(values), **chosen)
