"""Counts of failures in Valkey: one script call for all keys of a try, by the server's own time.

    what lies there              what it says
    ---------------------------  ------------------------------------------------------------------------------
    one key a count              the instant at which it has leaked away, in microseconds; then the key vanishes
    one key of the installation  from which instant on all that is counted lies here; before, ask the database too

All keys of an installation have its name as their hash tag, so that in a cluster a call finds them in one slot: keys of
accounts and keys of networks meet in every combination. The server forgets what it knows in two ways. Flushed, that one
key is missing. Restarted, perhaps with counts of long ago, the script is missing: it is brought only by `begin`, after
that key.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from redis.exceptions import NoScriptError

from jotgate.store.valkey import Client

_MICRO = 1_000_000

# KEYS: since when, then keys of counts. ARGV: 1 when the database was asked, then for each the microseconds to add, and
# those that are there at least.
# Lua's numbers hold microseconds up to the year 2255 exactly; its own way to write them does not.
COUNT = """
local since = redis.call('GET', KEYS[1])
if not since then return false end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local told = {math.max(0, since - now)}
if told[1] > 0 and ARGV[1] == '0' then return told end
for i = 2, #KEYS do
  local add, least = tonumber(ARGV[2 * i - 2]), tonumber(ARGV[2 * i - 1])
  local left = math.max(0, least, (redis.call('GET', KEYS[i]) or 0) - now)
  told[i] = left
  if add ~= 0 then
    left = left + add
    if left > 0 then
      redis.call('SET', KEYS[i], string.format('%.0f', now + left), 'PX', math.ceil(left / 1000))
    else
      redis.call('DEL', KEYS[i])
    end
  end
end
return told
"""

# KEYS: since when. ARGV: microseconds from now.
BEGIN = """
local time = redis.call('TIME')
local since = math.max(time[1] * 1000000 + time[2] + ARGV[1], tonumber(redis.call('GET', KEYS[1]) or 0))
redis.call('SET', KEYS[1], string.format('%.0f', since))
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the server says."""

    incomplete: float  # for so many seconds more the database is to be asked too
    before: Mapping[bytes, float] | None = field(repr=False)  # None: so it must be asked first; nothing was counted


class Forgotten(Exception):  # noqa: N818  # it did not fail, it was restarted or flushed
    """The server does not know any more what it was told."""


class ValkeyCounts:
    """The counts of one installation, `name`. Raises `Forgotten`, and what the driver raises."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._since = f"jotgate:{{{name}}}".encode()
        self._sha = hashlib.sha1(COUNT.encode()).hexdigest()  # noqa: S324 - which is how the server names scripts

    async def add(self, added: Mapping[bytes, int], known: Mapping[bytes, float] | None) -> Counted:
        """Add microseconds to each key. `known`: what the database says of them, in seconds, if it was asked."""
        numbers = [0 if known is None else 1]
        for key, micros in added.items():
            numbers += [micros, round((known or {}).get(key, 0.0) * _MICRO)]
        keys = [self._since, *(self._since + b":" + key for key in added)]
        try:
            told = await self._client.evalsha(self._sha, len(keys), *keys, *numbers)
        except NoScriptError:
            raise Forgotten from None
        if told is None:
            raise Forgotten
        before = {key: micros / _MICRO for key, micros in zip(added, told[1:], strict=True)} if told[1:] else None
        return Counted(told[0] / _MICRO, before if told[1:] or not added else None)

    async def begin(self, longest: float) -> None:
        """From now on, say that in `longest` seconds all counts will lie here."""
        await self._client.eval(BEGIN, 1, self._since, round(longest * _MICRO))
        await self._client.eval(COUNT, 1, self._since, 1)
