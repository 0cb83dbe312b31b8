"""The work in the background: each at its own pace, none of it in the way of a request.

    work       every      does
    ----       -----      ----
    watch      200 ms     hears what other processes changed: keys, and the revocations that they wrote;
                          at once where another node spreads that there is something to hear
    keys       60 s       makes, promotes and retires signing keys when they are due
    sweep      10 min     forgets what matters to nobody any more; of all nodes one does, as long as it lives

A failure is logged once, until it works again; the next round tries anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from jotgate.errors import JotgateError
from jotgate.flows import feed, keys, sweep
from jotgate.flows.env import Env

_log = logging.getLogger("jotgate")
_WATCH_SECONDS = 0.2
_KEYS_SECONDS = 60.0
_SWEEP_SECONDS = 600.0
_HOLDER_BYTES = 16

Work = Callable[[Env], Awaitable[object]]


def begin(env: Env) -> tuple[asyncio.Task[None], ...]:
    """Begin all of it; the tasks are to be cancelled at the end."""
    news = asyncio.Event()
    return (
        *(asyncio.create_task(spread.run(news.set), name="jotgate spread") for spread in env.feed.spreads),
        asyncio.create_task(_every(_WATCH_SECONDS, _Watch(), env, wake=news), name="jotgate watch"),
        asyncio.create_task(_every(_KEYS_SECONDS, keys.tick, env), name="jotgate keys"),
        asyncio.create_task(_every(_SWEEP_SECONDS, _Sweep(env), env), name="jotgate sweep"),
    )


class _Watch:
    """Looks at the store when another process may have written, and numbers what is left to number."""

    def __init__(self) -> None:
        self._seen: int | None = None

    async def __call__(self, env: Env) -> None:
        version = await env.store.version()
        if version != self._seen:
            await keys.reload(env)
        await feed.sequence(env)
        self._seen = version


class _Sweep:
    """Sweeps under a name of this process's own."""

    def __init__(self, env: Env) -> None:
        self._holder = env.entropy(_HOLDER_BYTES).hex()

    async def __call__(self, env: Env) -> None:
        await sweep.sweep(env, holder=self._holder)


async def _every(seconds: float, work: Work, env: Env, *, wake: asyncio.Event | None = None) -> None:
    failing = False
    while True:
        if wake:
            wake.clear()
        try:
            await work(env)
        except JotgateError as error:
            if not failing:
                _log.warning("%s failed: %s", _name(work), error)
            failing = True
        except Exception:  # noqa: BLE001  # whatever it is, the next round may work
            if not failing:
                _log.exception("%s failed", _name(work))
            failing = True
        else:
            failing = False
        await _pause(seconds, wake)


async def _pause(seconds: float, wake: asyncio.Event | None) -> None:
    """As long, or until it is woken."""
    if wake is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()


def _name(work: Work) -> str:
    return getattr(work, "__name__", type(work).__name__.strip("_")).lower()
