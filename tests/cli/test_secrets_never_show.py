"""A whole run with everything that logs at its loudest: no secret that it made or was given is in what it printed."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from jotgate import datadir
from jotgate.assemble import opened
from jotgate.jose import b64
from jotgate.settings import load
from tests.live.people import PASSWORD
from tests.live.process import Server
from tests.live.talk import Api, bearer

FEED_TOKEN = "feed-token-that-nobody-knows"
WRONG = "a wrong and secret guess"
NEW = "another long passphrase of ada"


def a_day(server: Server, api: Api) -> set[str]:
    """Logins, refreshes, errors, operators; gives every secret that came up."""
    secrets = {PASSWORD, WRONG, NEW, FEED_TOKEN}
    link = next(server.data_dir.glob("setup-link")).read_text().strip().partition("token=")[2]
    api.post("/auth/setup", {"token": link, "email": "root@example.com", "password": PASSWORD})
    api.get(f"/auth/setup?token={link}")
    api.register("ada@example.com", PASSWORD)
    first = api.login("ada@example.com", PASSWORD)
    second = api.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).json
    third = api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).json
    access = third["access_token"]
    for path in ("/auth/me", "/auth/sessions", "/auth/admin/users", f"/auth/sessions/{access}", f"/{access}"):
        api.get(path, headers=bearer(access))
    api.post("/auth/login", {"email": "ada@example.com", "password": WRONG})
    api.post("/auth/login", {"email": WRONG, "password": [WRONG]})
    api.post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    api.post("/auth/refresh", {"refresh_token": first["refresh_token"] + "x"})
    api.request("POST", f"/auth/logout?access_token={access}", headers={"Authorization": f"Bearer {access} {access}"})
    api.get(f"/revocations?after={access}", headers=bearer(FEED_TOKEN))
    api.get("/revocations", headers=bearer(WRONG.replace(" ", "-")))
    fourth = api.login("ada@example.com", PASSWORD)
    changed = {"current_password": PASSWORD, "new_password": NEW}
    api.post("/auth/password", changed, headers=bearer(fourth["access_token"]))
    api.post("/auth/password", {**changed, "new_password": "short"}, headers=bearer(fourth["access_token"]))
    secrets |= {
        token for pair in (first, second, third, fourth) for token in (pair["access_token"], pair["refresh_token"])
    }
    return secrets | {link, WRONG.replace(" ", "-")}


def keys_in(data_dir: Path) -> set[str]:
    """Private keys in the spellings in which they might slip out."""

    async def look() -> set[bytes]:
        async with opened(load({"JOTGATE_DATA_DIR": str(data_dir)})) as env:
            ring = env.keyring.current
            private = ring.signing.private
            assert isinstance(private, EllipticCurvePrivateKey)
            scalar = private.private_numbers().private_value.to_bytes(32)
            return {scalar, *(mac.secret for mac in ring.macs.values())}

    found = asyncio.run(look())
    return {
        spelt
        for key in found
        for spelt in (key.hex(), b64.encode(key), base64.b64encode(key).decode(), repr(key)[2:-1])
    }


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_is_printed(tmp_path: Path, log_format: str) -> None:
    settings = {"LOG_LEVEL": "debug", "LOG_FORMAT": log_format, "FEED_TOKEN": FEED_TOKEN}
    server = Server(tmp_path, settings=settings)
    try:
        server.start()
        with server.api() as api:
            secrets = a_day(server, api)
        secrets.add((server.data_dir / datadir.MASTER).read_text().strip())
        printed = server.cli("user", "list") + server.cli("doctor") + server.cli("secret", "rotate")
        printed += server.cli("user", "password", "ada@example.com", "--password-stdin", given=NEW)
        printed += server.cli("key", "list", "--json") + server.cli("user", "show", "ada@example.com", "--json")
        secrets |= {(server.data_dir / name).read_text().strip() for name in (datadir.MASTER, datadir.MASTER_BEFORE)}
    finally:
        server.stop()
    secrets |= keys_in(server.data_dir)
    log = server.log.read_text()
    operators_eyes = [line for line in log.splitlines() if "Within 30 minutes, open: " in line]

    for line in operators_eyes:
        log = log.replace(line, "")

    assert len(operators_eyes) == 1
    assert log.count("/auth/refresh") >= 4
    assert not [secret for secret in secrets if secret in log + printed]
    assert not [secret for secret in secrets if secret.rpartition(".")[2] in log]  # a signature alone is half a token
    if log_format == "json":
        lines = [line for line in log.splitlines() if line.startswith("{")]
        assert all(isinstance(json.loads(line), dict) for line in lines)
        assert len(lines) > 20
