"""Set-up links at rest: the digest of a single-use secret that makes the first administrator."""

from jotgate.store.ports import Tx


async def put(tx: Tx, digest: bytes, expires_at: int) -> None:
    """A new link; older ones are void."""
    await tx.run("delete from setup_links")
    await tx.run("insert into setup_links (digest, expires_at) values (?, ?)", digest, expires_at)


async def take(tx: Tx, digest: bytes, now: int) -> bool:
    """Use the link up; False when there is no such link, or it is too late."""
    return bool(await tx.run("delete from setup_links where digest = ? and expires_at > ?", digest, now))


async def clear(tx: Tx) -> None:
    """No link works any more."""
    await tx.run("delete from setup_links")


async def holds(tx: Tx, digest: bytes, now: int) -> bool:
    """Whether the link could be taken now."""
    return await tx.one("select 1 from setup_links where digest = ? and expires_at > ?", digest, now) is not None
