"""Valkey, or Redis, or a cluster of either: how it is reached, and how its absence is told.

It is never the only home of anything, so nobody waits for it and nobody sees its errors. Whatever goes wrong is one
thing: it is away. Refused, hanging, loading, full, read-only, another password, a surprise of its driver.
"""

import asyncio
import logging
import random
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException

from jotgate.errors import SettingsError

_log = logging.getLogger("jotgate.valkey")
_CLUSTER = "+cluster"
_SECONDS = 1.0  # for whatever somebody in the background waits for

Client = Any  # Redis | RedisCluster: their types differ in what does not matter here


def connect(url: str) -> Client:
    """A client that has not connected yet. Raises `SettingsError`."""
    try:
        if _CLUSTER in urlsplit(url).scheme:
            return RedisCluster.from_url(url.replace(_CLUSTER, "", 1), **_options(1))
        return Redis.from_url(url, **_options(0))
    except (ValueError, RedisClusterException) as error:
        raise SettingsError((f"JOTGATE_REDIS_URL cannot be used: {error}",)) from error


async def connect_to_one(url: str) -> Client:
    """A client of the server, or of any one of the cluster's: news that one hears of all hear of."""
    parts = urlsplit(url)
    if _CLUSTER not in parts.scheme:
        return connect(url)
    cluster = connect(url)
    try:
        await cluster.initialize()
        node = random.choice(cluster.get_nodes())  # noqa: S311 - to spread them, not to be secret
    finally:
        await hang_up(cluster)
    login, at, _ = parts.netloc.rpartition("@")
    host = f"[{node.host}]" if ":" in node.host else node.host
    netloc = f"{login}{at}{host}:{node.port}"
    return connect(urlunsplit(parts._replace(scheme=parts.scheme.replace(_CLUSTER, ""), netloc=netloc)))


async def hang_up(client: Client) -> None:
    """Close its connections, however they are; if it is asked again, it makes new ones."""
    with suppress(Exception):
        async with asyncio.timeout(_SECONDS):
            await client.aclose()


def _options(retries: int) -> dict[str, Any]:
    """Nothing is tried again but what a cluster has moved: we have a better answer than to wait."""
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), retries),
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
        "socket_keepalive": True,
    }


class Attendance:
    """Says once that Valkey is away, and once that it is back, whichever of our works find it out."""

    def __init__(self) -> None:
        self._missing: set[str] = set()

    def away(self, work: str, error: BaseException) -> None:
        """`work` cannot go on with it."""
        if not self._missing:
            reason = str(error) or "no answer in time"
            _log.warning("Valkey is away, the database does its work: %s: %s", type(error).__name__, reason)
        self._missing.add(work)

    def back(self, work: str) -> None:
        """`work` goes on."""
        if self._missing == {work}:
            _log.info("Valkey is back")
        self._missing.discard(work)
