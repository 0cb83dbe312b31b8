"""What Django's setting JOTGATE says: which guard stands, and what it leaves open.

    JOTGATE                                      the guard
    -----------------------------------------    ------------------------------------------------------------------
    {"issuer": ..., "audience": ..., ...}        made here; the options are those of `Guard`
    {"guard": "shop.auth.guard"}, or a Guard     this one
    none of both, or no JOTGATE                  as the environment says: `Guard.from_env`

Beside them may stand `exclude`, the paths that the guard leaves open, and `protect`: False opens the views that ask
for nothing. It is read once, and again when a test overrides it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from jotgate.errors import SettingsError
from jotgate.guard.guard import Guard
from jotgate.guard.openpaths import open_paths
from jotgate.guard.options import Options

_GUARD: Final = "jotgate.guard.django.GuardMiddleware"
_CSRF: Final = "django.middleware.csrf.CsrfViewMiddleware"
_OPTIONS: Final = frozenset(field.name for field in fields(Options))


@dataclass(frozen=True, slots=True)
class Standing:
    """A guard in its place."""

    guard: Guard
    protects: bool  # also the views that ask for nothing
    leaves_open: Callable[[str], bool]
    vary: tuple[str, ...]  # the headers that an answer may depend on


@cache
def standing() -> Standing:
    """As the settings say. Raises `ImproperlyConfigured` with every complaint."""
    try:
        return _stand()
    except SettingsError as error:
        raise ImproperlyConfigured("; ".join(f"JOTGATE: {complaint}" for complaint in error.complaints)) from None


def _stand() -> Standing:
    said: object = getattr(settings, "JOTGATE", {})
    if isinstance(said, Guard | str):
        said = {"guard": said}
    if not isinstance(said, Mapping):
        raise SettingsError((f"allowed is a dictionary, a Guard or the path of one, not {type(said).__name__}",))
    options = dict(said)
    given, exclude, protect = options.pop("guard", None), options.pop("exclude", ()), options.pop("protect", True)
    complaints = (*_of_exclude(exclude), *_of_protect(protect))
    try:
        guard = _made(options) if given is None else _found(given, options)
    except SettingsError as error:
        raise SettingsError((*complaints, *error.complaints)) from None
    if complaints:
        raise SettingsError(complaints)
    vary = ("Authorization",) if guard.options.cookie is None else ("Authorization", "Cookie")
    return Standing(guard, protect, open_paths(exclude), vary)


def _found(given: object, options: Mapping[str, object]) -> Guard:
    if options:
        raise SettingsError((f"{', '.join(map(str, options))}: to be said where the guard is made",))
    try:
        guard = import_string(given) if isinstance(given, str) else given
    except ImportError as error:
        raise SettingsError((f"guard = {given!r}: {error}",)) from None
    if not isinstance(guard, Guard):
        raise SettingsError((f"guard = {given!r}: allowed is a Guard, or the dotted path of one",))
    return guard


def _made(options: Mapping[str, Any]) -> Guard:
    """No options at all: as the environment says."""
    if not options:
        return Guard.from_env()
    complaints = [f"{name}: there is no such option" for name in options if name not in _OPTIONS]
    if "issuer" not in options:
        complaints.append("issuer: is needed")
    known = {"issuer": "https://issuer.invalid"} | {name: options[name] for name in options if name in _OPTIONS}
    try:
        guard = Guard(**known)
    except SettingsError as error:
        complaints += error.complaints
    if complaints:
        raise SettingsError(tuple(complaints))
    return guard


def _of_exclude(exclude: object) -> Iterator[str]:
    paths = (exclude,) if isinstance(exclude, str) else exclude
    if not isinstance(paths, list | tuple | set | frozenset) or not all(
        isinstance(path, str) and path.startswith("/") for path in paths
    ):
        yield f"exclude = {exclude!r}: allowed are paths such as /healthz and /public/*"


def _of_protect(protect: object) -> Iterator[str]:
    if not isinstance(protect, bool):
        yield f"protect = {protect!r}: allowed is True or False"


# --- Django's own ways to hear of settings


def _changed(*, setting: str, **_signal: object) -> None:
    if setting == "JOTGATE":
        standing.cache_clear()


def _checked(**_asked: object) -> list[Any]:
    """For `manage.py check`."""
    try:
        _stand()
    except SettingsError as error:
        return [checks.Error(f"JOTGATE: {complaint}", id="jotgate.E001") for complaint in error.complaints]
    order = [path for path in settings.MIDDLEWARE if path in {_CSRF, _GUARD}]
    if order == [_CSRF, _GUARD]:
        hint = f"Move {_GUARD} before it."
        return [checks.Warning("Requests without a token are refused as forgeries.", hint=hint, id="jotgate.W001")]
    return []


setting_changed.connect(_changed)
checks.register(_checked)
