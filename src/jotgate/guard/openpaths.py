"""The paths that a guard leaves open: what `exclude` names.

`/healthz` is this path and no other, `/public/*` all below `/public/`, but nothing there that somebody behind us could
read as another path: with `..`, `//`, a backslash, a control character, or what is still percent-encoded.
"""

import re
from collections.abc import Callable, Iterable

_devious = re.compile(r"//|[\\%\x00-\x1f\x7f]|/\.\.?(?:[; /]|\Z)").search


def open_paths(exclude: str | Iterable[str]) -> Callable[[str], bool]:
    """Whether a path, percent-decoded and without what the application is mounted at, needs no token."""
    paths = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    exact = frozenset(path for path in paths if not path.endswith("/*"))
    below = tuple(path[:-1] for path in paths if path.endswith("/*"))
    return lambda path: path in exact or (path.startswith(below) and not _devious(path))
