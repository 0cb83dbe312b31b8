"""Proxies that ask the issuer about each request, as the files in `deploy/` set them up.

proxy      asks by
-------    ------------
nginx      auth_request
Caddy      forward_auth
Traefik    forwardAuth
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers import DEPLOY, configured, program, running

ISSUER, APP, URL = "127.0.0.1:8000", "127.0.0.1:9000", "https://auth.example.com"  # in the files
ENVOY = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")


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


@contextmanager
def haproxy(place: Place) -> Iterator[None]:
    changes = {
        "bind :8080": f"bind 127.0.0.1:{place.port}",
        APP: place.app,
        URL: f"http://{place.issuer}",
        "/etc/haproxy/jotgate": str(place.home),
    }
    path = configured("haproxy.cfg", place.home, changes)
    command = (program("haproxy"), "-db", "-f", str(path))
    assert fetch_keys(place).returncode == 0
    with running(*command, port=place.port, home=place.home):
        yield


def fetch_keys(place: Place) -> subprocess.CompletedProcess[str]:
    """Run the script beside HAProxy's configuration."""
    command = [sys.executable, str(DEPLOY / "haproxy_keys.py"), f"http://{place.issuer}", str(place.home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def envoy(place: Place) -> Iterator[None]:
    _, start, tls = (DEPLOY / "envoy.yaml").read_text().partition("      transport_socket:\n")
    changes = {
        "address: 0.0.0.0, port_value: 8080": f"address: 127.0.0.1, port_value: {place.port}",
        "address: app.internal, port_value: 9000": _socket(place.app),
        "address: auth.example.com, port_value: 443": _socket(place.issuer),
        URL: f"http://{place.issuer}",
        start + tls: "",
    }
    path = configured("envoy.yaml", place.home, changes)
    with running(program("envoy"), *ENVOY, "-c", str(path), port=place.port, home=place.home):
        yield


def _socket(address: str) -> str:
    host, _, port = address.partition(":")
    return f"address: {host}, port_value: {port}"


Start = Callable[[Place], AbstractContextManager[None]]
ASKING: dict[str, Start] = {"nginx": nginx, "Caddy": caddy, "Traefik": traefik}
CHECKING: dict[str, Start] = {"HAProxy": haproxy, "Envoy": envoy}
