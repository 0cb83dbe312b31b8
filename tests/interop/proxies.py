"""Proxies that ask the issuer about each request, as the files in `deploy/` set them up.

proxy      asks by
-------    ------------
nginx      auth_request
Caddy      forward_auth
Traefik    forwardAuth
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers import configured, program, running

ISSUER, APP = "127.0.0.1:8000", "127.0.0.1:9000"  # in the files


@dataclass(frozen=True)
class Place:
    """Where everything is: a directory, our port, and `host:port` of the issuer and of the application."""

    home: Path
    port: int
    issuer: str
    app: str


@contextmanager
def nginx(place: Place) -> Iterator[None]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {place.home}/{kind};" for kind in kinds)
    changes = {
        "listen 8080": f"listen 127.0.0.1:{place.port}",
        "http {": f"http {{ access_log off; {temporary}",
        ISSUER: place.issuer,
        APP: place.app,
    }
    path = configured("nginx.conf", place.home, changes)
    alone = f"daemon off; master_process off; pid {place.home}/pid;"
    command = (program("nginx"), "-p", str(place.home), "-c", str(path), "-e", "stderr", "-g", alone)
    with running(*command, port=place.port, home=place.home):
        yield


@contextmanager
def caddy(place: Place) -> Iterator[None]:
    changes = {
        ":8080 {": f"{{\n\tadmin off\n}}\n\nhttp://127.0.0.1:{place.port} {{",
        ISSUER: place.issuer,
        APP: place.app,
    }
    path = configured("Caddyfile", place.home, changes)
    lines = path.read_text().splitlines()
    begin = lines.index("{")  # the global options come first
    path.write_text("\n".join([*lines[begin : begin + 3], *lines[:begin], *lines[begin + 3 :]]) + "\n")
    command = (program("caddy"), "run", "--config", str(path), "--adapter", "caddyfile")
    with running(*command, port=place.port, home=place.home):
        yield


@contextmanager
def traefik(place: Place) -> Iterator[None]:
    changes = {'":8080"': f'"127.0.0.1:{place.port}"', "/etc/traefik/": f"{place.home}/"}
    path = configured("traefik.yml", place.home, changes)
    configured("traefik-routes.yml", place.home, {ISSUER: place.issuer, APP: place.app})
    with running(program("traefik"), f"--configFile={path}", port=place.port, home=place.home):
        yield


PROXIES: dict[str, Callable[[Place], AbstractContextManager[None]]] = {
    "nginx": nginx,
    "Caddy": caddy,
    "Traefik": traefik,
}
