"""Write an issuer's public keys as the PEM files that HAProxy reads, which knows no key sets (RFC 7517).

    python haproxy_keys.py https://auth.example.com /etc/haproxy/jotgate && systemctl reload haproxy

Run it every quarter of an hour: a new key is published for at least an hour before it signs. It writes 1.pem, 2.pem and
3.pem: the newest keys of the set, which are the next one, the one that signs and the one before; where there are fewer,
the newest stands again. Exit codes: 0 the files changed, 1 it failed and they did not, 3 they are up to date.
"""

import sys
from pathlib import Path
from urllib.request import urlopen

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.errors import JotgateError
from jotgate.jose import jwks

FILES = 3
CHANGED, FAILED, UP_TO_DATE = 0, 1, 3


def newest(issuer: str) -> list[bytes]:
    """The newest keys of the issuer as PEM, newest first. Raises `OSError`, `JotgateError`."""
    with urlopen(f"{issuer}/.well-known/jwks.json", timeout=10) as answer:  # noqa: S310  # the operator's own address
        keys = jwks.parse(answer.read(jwks.MAX_BYTES + 1)).keys
    pems = [key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in reversed(keys)]
    if not pems:
        raise OSError("the key set is empty")
    return [*pems, *[pems[0]] * FILES][:FILES]


def write(pems: list[bytes], folder: Path) -> bool:
    """Whether anything changed. Each file is there whole, as it was or as it shall be."""
    folder.mkdir(parents=True, exist_ok=True)
    stale = {path: pem for at, pem in enumerate(pems, 1) if _read(path := folder / f"{at}.pem") != pem}
    for path, pem in stale.items():
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pem)
        fresh.replace(path)
    return bool(stale)


def main(issuer: str, folder: str) -> int:
    """The exit code."""
    try:
        return CHANGED if write(newest(issuer.rstrip("/")), Path(folder)) else UP_TO_DATE
    except (OSError, JotgateError) as error:
        sys.stderr.write(f"the keys of {issuer} stay as they were: {error}\n")
        return FAILED


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
