"""`requests.get(url, auth=RequestsAuth(session))`: as `TokenAuth`, for requests."""

from collections.abc import Iterable
from typing import Any

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from jotgate.client.origins import Reach
from jotgate.client.session import ClientSession


class RequestsAuth(AuthBase):
    """Sends the session's token, renews it, and repeats a request once after a 401 if its body is no stream."""

    def __init__(self, session: ClientSession, *, only: str | Iterable[str] | None = None) -> None:
        """`only`: the origins that get the token; by default all that are called over https or on loopback."""
        self._session = session
        self._reach = Reach(only)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """What requests asks for."""
        if self._reach.covers(r.url or ""):
            token = self._session.token()
            r.headers["Authorization"] = f"Bearer {token}"
            hook = lambda response, **options: self._answered(response, token, options)  # noqa: E731
            r.hooks["response"].append(hook)
        return r

    def _answered(self, response: Response, token: str, options: dict[str, Any]) -> Response:
        asked = response.request
        if response.status_code != 401 or asked.headers.get("Authorization") != f"Bearer {token}":
            return response
        if not self._session.renewable(token, response.headers.get("WWW-Authenticate", ""), response.content):
            return response
        self._session.renewal(token)
        body: object = asked.body  # the stubs do not know of streams
        if not isinstance(body, str | bytes | None):
            return response
        return self._repeated(response, self._session.renew(token), options)

    def _repeated(self, response: Response, token: str, options: dict[str, Any]) -> Response:
        """As requests' own digest authentication does it."""
        response.close()  # read above: the connection is free
        again = response.request.copy()
        cookies: Any = vars(again)["_cookies"]
        extract_cookies_to_jar(cookies, response.request, response.raw)  # type: ignore[no-untyped-call]  # in the stubs
        again.prepare_cookies(cookies)
        again.headers["Authorization"] = f"Bearer {token}"
        answer: Response = vars(response)["connection"].send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer
