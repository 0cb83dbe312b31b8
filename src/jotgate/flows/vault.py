"""The keys at rest: what opens them, what seals them; shared by the flows that make, change and wrap them.

Everything in one database is sealed under one master secret: the one that opens `secret_check`, be it our first or a
previous one.
"""

from contextlib import suppress

from jotgate.core import keyring
from jotgate.core.keyring import Keyring
from jotgate.core.model import StoredKey, StoredMacKey
from jotgate.core.policy import is_symmetric
from jotgate.core.refresh_token import MacKey
from jotgate.errors import KeyRefused, SecretMismatch, StartError
from jotgate.flows.env import Env, Secrets
from jotgate.jose import jwk, jwks, strictjson
from jotgate.jose.jwk import Key
from jotgate.store import keys
from jotgate.store.ports import Tx

SIGNING, MAC, CHECK = "signing key", "MAC key", "check"


async def open_keys(env: Env) -> None:
    """Take the stored keys into use. Raises `SecretMismatch`, `StartError`; then those in use stay."""
    version, rows, check, macs = await env.store.write(_sealed, durable=False)
    stored = keyring.published(rows)
    master = _opener(env, check)
    signing = keyring.signing(stored)
    if signing is None or not macs:
        raise StartError("another process with other settings is changing the keys of this database")
    opened = {mac.id: keyring.unseal(master, mac.sealed, kind=MAC, name=str(mac.id)) for mac in macs}
    private = shared(env) if is_symmetric(signing.alg) else _private(master, signing)
    public = jwks.of(private) if is_symmetric(signing.alg) else jwks.of(*(jwk.parse(key.public) for key in stored))
    current = max((mac for mac in macs if mac.retired_at is None), key=lambda mac: (mac.created_at, mac.id))
    ring = Keyring(
        signing=private,
        public=public,
        macs={number: MacKey(number, secret) for number, secret in opened.items()},
        mac_current=current.id,
        version=version,
    )
    env.keyring.replace(ring, longest_ttl=keyring.longest_ttl(stored, env.policy))


async def _sealed(tx: Tx) -> tuple[int, tuple[StoredKey, ...], bytes | None, tuple[StoredMacKey, ...]]:
    """As they are at one moment: between two of these reads another process could wrap them anew."""
    return await keys.hold(tx), await keys.signing(tx), await keys.secret_check(tx), await keys.macs(tx)


def _private(master: bytes, key: StoredKey) -> Key:
    return jwk.from_private_bytes(key.alg, key.kid, keyring.unseal(master, key.sealed, kind=SIGNING, name=key.kid))


def public_text(key: Key) -> str:
    """The public half as the store keeps it."""
    return strictjson.dumps(jwk.export_public(key)).decode()


def shared(env: Env) -> Key:
    """The key that is guards' too. Raises `StartError`."""
    if not env.policy.symmetric:
        raise StartError(
            f"the keys here are for a shared secret, and ALGORITHM is {env.policy.algorithm}: "
            "give this command the settings of the server"
        )
    try:
        return jwk.from_private_bytes(env.policy.algorithm, None, env.keyring.secrets.hs256 or b"")
    except KeyRefused as error:
        raise StartError(f"HS256_SECRET is no secret for {env.policy.algorithm}: {error.detail}") from None


async def master_of(env: Env, tx: Tx) -> bytes:
    """The master secret that this database is sealed under; a new database takes ours. Raises `SecretMismatch`."""
    check = await keys.secret_check(tx)
    if check is None:
        check = seal(env, env.keyring.secrets.master, b"", kind=CHECK, name=CHECK)
        await keys.set_secret_check(tx, check)
    return _opener(env, check)


def _opener(env: Env, check: bytes | None) -> bytes:
    """The secret that opens it; an operator may have changed it meanwhile. Raises `SecretMismatch`."""
    master = _fitting(env.keyring.secrets, check) or _fitting(env.keyring.look_again(), check)
    if master is None:
        raise SecretMismatch("the master secret does not open this database: give the one that it was made with")
    return master


def _fitting(secrets: Secrets, check: bytes | None) -> bytes | None:
    for master in (secrets.master, *secrets.previous):
        with suppress(SecretMismatch):
            keyring.unseal(master, check or b"", kind=CHECK, name=CHECK)
            return master
    return None


def seal(env: Env, master: bytes, plain: bytes, *, kind: str, name: str) -> bytes:
    """A blob that only `master` opens, as this kind and name."""
    return keyring.seal(master, plain, kind=kind, name=name, nonce=env.entropy(keyring.NONCE_BYTES))
