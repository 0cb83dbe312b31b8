"""For whom a token is minted: what the guards of this process were told, taken together."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from jotgate.errors import Misuse
from jotgate.guard import options as told
from jotgate.guard.guard import Guard
from jotgate.guard.options import Options

_USUAL = "ES256"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a token must say, and be signed with, to be good at all of them."""

    issuer: str
    audiences: tuple[str, ...]
    alg: str
    leeway: int
    max_lifetime: int
    hears: bool  # all of them hear of revocations


def algorithm(options: Options) -> str:
    """The one that a test issuer signs with for this guard."""
    return _USUAL if _USUAL in options.accepted else options.accepted[0]


def aim(guards: Sequence[Options], issuer: object = None) -> Aim:
    """At all of one issuer. Raises `Misuse` where there is none, or more than one and none was named."""
    meant = [each for each in guards if issuer in (None, each.issuer)] or list(guards)
    if not meant:
        raise Misuse("no guard stands in this process yet: make the application first, or pass guard=")
    different = {"issuers": {each.issuer for each in meant}, "algorithms": {algorithm(each) for each in meant}}
    for what, named in different.items():
        if len(named) > 1:
            raise Misuse(f"guards of several {what} stand in this process ({', '.join(sorted(named))}): pass guard=")
    return Aim(
        issuer=meant[0].issuer,
        audiences=tuple(dict.fromkeys(each.audience or each.issuer for each in meant)),
        alg=algorithm(meant[0]),
        leeway=max(each.leeway for each in meant),
        max_lifetime=min(each.max_lifetime for each in meant),
        hears=all(each.pushes for each in meant),
    )


def foreseen(environ: Mapping[str, str] = os.environ) -> list[Options]:
    """The guard that the environment describes, for applications that make theirs with the first request."""
    if "JOTGATE_ISSUER" in environ or "JOTGATE_ISSUER_FILE" in environ:
        return [told.from_env(environ)]
    return []


def django_guard() -> Guard | None:
    """The one that Django's settings describe, made now where the first request would make it; None without Django."""
    settings: Any = getattr(sys.modules.get("django.conf"), "settings", None)
    if settings is None or not settings.configured or not hasattr(settings, "JOTGATE"):
        return None
    guard: Guard = import_module("jotgate.guard.django_settings").standing().guard
    return guard
