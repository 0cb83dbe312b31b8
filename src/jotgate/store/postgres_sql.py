"""From the subset that both databases share to what PostgreSQL reads.

    written                  read
    -------                  ----
    ?                        $1, $2, ... in their order
    group_concat(x, ' ')     string_agg(x, ' ')

No statement holds a question mark in any other meaning.
"""

from functools import cache
from itertools import count

_ASYNCHRONOUS = "(select set_config('synchronous_commit', 'off', true)) is not null"


@cache
def translated(sql: str) -> str:
    """The statement with PostgreSQL's parameters and aggregates."""
    numbers = count(1)
    pieces = sql.replace("group_concat(", "string_agg(").split("?")
    return pieces[0] + "".join(f"${next(numbers)}{piece}" for piece in pieces[1:])


@cache
def relaxed(sql: str) -> str:
    """A statement whose commit does not wait for the disk, which it says itself.

    It is an `update ... where ... [returning ...]`, or an `insert ... returning ...` (which gets one column more).
    """
    changed, returning, facts = sql.partition(" returning ")
    if sql.startswith("insert"):
        return translated(f"{sql}, {_ASYNCHRONOUS}")
    return translated(f"{changed} and {_ASYNCHRONOUS}{returning}{facts}")
