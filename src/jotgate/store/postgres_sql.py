"""From the subset that both databases share to what PostgreSQL reads.

    written                                            read
    -------                                            ----
    ?                                                  $1, $2, ... in their order
    group_concat(x, ' ')                               string_agg(x, ' ')
    an `update sessions` that reads a column after     one that reads the user's row once, by a join:
    the other of the user by subqueries                a quarter less work (SQLite returns nothing of a join)

No statement holds a question mark in any other meaning.
"""

import re
from functools import cache
from itertools import count

_OF_THE_USER = re.compile(r"\(select (\w+) from users where users\.number = sessions\.user_number\)")
_THE_USER = re.compile(r"exists \(select 1 from users where (users\.number = sessions\.user_number[^()]*)\)")
_ASYNCHRONOUS = "(select set_config('synchronous_commit', 'off', true)) is not null"


@cache
def translated(sql: str) -> str:
    """The statement with PostgreSQL's parameters and aggregates."""
    numbers = count(1)
    pieces = _joined(sql).replace("group_concat(", "string_agg(").split("?")
    return pieces[0] + "".join(f"${next(numbers)}{piece}" for piece in pieces[1:])


@cache
def relaxed(sql: str) -> str:
    """A statement whose commit does not wait for the disk, which it says itself.

    It is an `update ... where ... [returning ...]`, or an `insert ... returning ...` (which gets one column more).
    """
    if sql.startswith("insert"):
        return translated(f"{sql}, {_ASYNCHRONOUS}")
    changed, *facts = re.split(r"\s+returning\s+", sql)
    return translated(" returning ".join([f"{changed} and {_ASYNCHRONOUS}", *facts]))


def _joined(sql: str) -> str:
    if not (sql.startswith("update sessions") and _THE_USER.search(sql)):
        return sql
    flat = _OF_THE_USER.sub(r"users.\1", _THE_USER.sub(r"\1", sql))
    return flat.replace("where", "from users where", 1)
