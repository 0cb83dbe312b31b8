"""Another master secret: everything that lies sealed in the database is wrapped anew, all or nothing."""

from dataclasses import replace

from jotgate.core import keyring
from jotgate.flows import vault
from jotgate.flows.env import Env, Secrets
from jotgate.store import audit, keys
from jotgate.store.ports import Tx


async def rotate(env: Env, master: bytes | None = None, *, actor: str | None = None) -> int:
    """Wrap everything anew under `master`, or the secret of the settings, all or nothing; how many keys there are."""
    secrets = env.keyring.secrets
    new = master or secrets.master

    async def change(tx: Tx) -> int:
        await keys.bump(tx)
        old = await vault.master_of(env, tx)
        sealed = [key for key in await keys.signing(tx) if key.sealed]
        for key in sealed:
            plain = keyring.unseal(old, key.sealed, kind=vault.SIGNING, name=key.kid)
            await keys.put_signing(
                tx, replace(key, sealed=vault.seal(env, new, plain, kind=vault.SIGNING, name=key.kid))
            )
        macs = await keys.macs(tx)
        for mac in macs:
            plain = keyring.unseal(old, mac.sealed, kind=vault.MAC, name=str(mac.id))
            await keys.put_mac(tx, replace(mac, sealed=vault.seal(env, new, plain, kind=vault.MAC, name=str(mac.id))))
        await keys.set_secret_check(tx, vault.seal(env, new, b"", kind=vault.CHECK, name=vault.CHECK))
        await audit.append(tx, "secret_rotated", now=int(env.clock()), actor=actor)
        return len(sealed) + len(macs)

    wrapped = await env.store.write(change)
    env.keyring.secrets = Secrets(new, (secrets.master, *secrets.previous), secrets.hs256)
    await vault.open_keys(env)
    return wrapped
