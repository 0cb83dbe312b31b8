"""What `jotgate doctor` says of the servers that nodes share: PostgreSQL, Valkey, NATS.

check             wrong when
-----             ----------
PostgreSQL        it is a standby or read-only, or does not keep what it has acknowledged
isolation         (a note) transactions cross more often than they must
database clock    it is more than a minute off ours
connections       this node alone may ask for more than there are
Valkey, NATS      they do not answer: nodes do without, more slowly
"""

import asyncio
import time
from collections.abc import Iterator

from jotgate.cli.findings import Finding
from jotgate.errors import JotgateError
from jotgate.settings import Settings, without_password
from jotgate.store.ports import Tx
from jotgate.store.postgres_state import State, state

_SECONDS = 4.0
_NOTED, _WRONG = 5.0, 60.0  # seconds that clocks differ by


async def postgres(settings: Settings, tx: Tx) -> list[Finding]:
    """All that the server's own settings tell."""
    asked = time.time()
    found = await state(tx)
    off = found.clock - (asked + time.time()) / 2
    return [_server(settings, found), _isolation(found), clock(off), _connections(settings, found)]


def _server(settings: Settings, found: State) -> Finding:
    complaints = [*_complaints(found)]
    what = f"PostgreSQL {found.version.split()[0]} answers at {settings.database_name}"
    return Finding("PostgreSQL", "wrong" if complaints else "ok", "; ".join([what, *complaints]))


def _complaints(found: State) -> Iterator[str]:
    if found.read_only:
        yield "it only reads: name the primary in JOTGATE_DATABASE_URL"
    for name, value in (("synchronous_commit", found.synchronous_commit), ("fsync", found.fsync)):
        if value == "off":
            yield f"{name} is off, so that a power cut undoes logouts that were acknowledged: set it on"


def _isolation(found: State) -> Finding:
    if found.isolation == "read committed":
        return Finding("isolation", "ok", found.isolation)
    return Finding("isolation", "note", f"{found.isolation}: all works, some transactions are repeated")


def clock(off: float) -> Finding:
    """What a database's clock means that is `off` by so many seconds."""
    state = "wrong" if abs(off) > _WRONG else "note" if abs(off) > _NOTED else "ok"
    advice = "" if state == "ok" else ": set both clocks (NTP)"
    return Finding("database clock", state, f"{off:+.1f} s from this machine's{advice}")


def _connections(settings: Settings, found: State) -> Finding:
    wanted = settings.database_pool * settings.workers
    said = f"this node takes up to {wanted} of {found.max_connections}, {found.connections} are open"
    if settings.database_pgbouncer:
        return Finding("connections", "ok", f"{said} (PgBouncer shares them out)")
    if wanted > found.max_connections:
        return Finding("connections", "wrong", f"{said}: lower JOTGATE_DATABASE_POOL, or raise max_connections")
    return Finding("connections", "ok", f"{said}: enough for {found.max_connections // wanted} such nodes")


async def shared(settings: Settings) -> list[Finding]:
    """Valkey and NATS, where they are set."""
    found = [] if settings.redis_url is None else [await _valkey(settings.redis_url)]
    return [*found, *[await _nats(url) for url in settings.nats_url]]


async def _valkey(url: str) -> Finding:
    name = without_password(url)
    try:
        from jotgate.store import valkey
    except ImportError as error:
        return Finding("Valkey", "wrong", f"it needs redis: pip install 'jotgate[redis]' ({error})")
    try:
        client = valkey.connect(url)
        try:
            async with asyncio.timeout(_SECONDS):
                await client.ping()
        finally:
            await valkey.hang_up(client)
    except JotgateError as error:
        return Finding("Valkey", "wrong", error.detail)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is away
        return Finding("Valkey", "wrong", f"{name} does not answer ({_told(error)}): nodes do without, more slowly")
    return Finding("Valkey", "ok", f"{name} answers")


async def _nats(url: str) -> Finding:
    name, troubles = without_password(url), ["no answer in time"]
    try:
        from jotgate.wire import natsline
    except ImportError as error:
        return Finding("NATS", "wrong", f"it needs nats-py: pip install 'jotgate[nats]' ({error})")
    reached = asyncio.Event()

    async def say_so(_line: object) -> None:
        reached.set()
        await asyncio.sleep(_SECONDS)

    keeping = asyncio.create_task(natsline.keep((url,), name="jotgate doctor", work=say_so, trouble=troubles.append))
    try:
        async with asyncio.timeout(_SECONDS):
            await reached.wait()
    except TimeoutError:
        return Finding("NATS", "wrong", f"{name} does not answer ({troubles[-1]}): nodes do without, more slowly")
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    return Finding("NATS", "ok", f"{name} answers")


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or "no answer in time"
