"""How tokens are sent, for drf-spectacular: a bearer token, and a cookie where the guard reads one.

drf-spectacular knows an extension from the moment its module is imported; `drf.BearerAuthentication` does that.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from jotgate.guard.django_settings import standing
from jotgate.guard.drf import BearerAuthentication


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it registers subclasses
    """Either of the two is enough."""

    target_class = BearerAuthentication
    match_subclasses = True

    def __init__(self, target: Any) -> None:
        super().__init__(target)  # type: ignore[no-untyped-call]  # untyped
        self.name = list(_schemes())

    def get_security_requirement(self, _auto_schema: Any) -> list[dict[str, list[str]]]:
        """One of them."""
        return [{name: []} for name in _schemes()]

    def get_security_definition(self, _auto_schema: Any) -> list[dict[str, str]]:
        """What each is (OpenAPI's Security Scheme Object)."""
        return list(_schemes().values())


def _schemes() -> dict[str, dict[str, str]]:
    found = {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    cookie = standing().guard.options.cookie
    if cookie is not None:
        found["bearerCookie"] = {"type": "apiKey", "in": "cookie", "name": cookie}
    return found
