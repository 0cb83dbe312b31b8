"""What PostgreSQL's errors, and asyncpg's, mean for whoever asked.

error                                               means                    raised
-----                                               -----                    ------
40001, 40P01                                        two crossed              `Unavailable`, after repeating for 5 s
23505, 42P07, a plan that is out of date            perhaps two crossed      as it is, after three repetitions
08, 53, 57, 58, 25006, 25P03, 25P04, 40003, 55P03   away, starting, full,    `Unavailable`
no connection, no answer in time                    late, read-only
22021, 22P05                                        a text it cannot keep    `Invalid`
anything else                                       a wrong statement        as it is
"""

import ssl
from typing import Any

import asyncpg

from jotgate.errors import DatabaseUnusable, Invalid, Unavailable

CLASH = (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.InvalidCachedStatementError)
CROSSED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, *CLASH)
# Of these a connection is none the worse.
_REFUSED = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.InsufficientResourcesError)
_AWAY = (
    *_REFUSED,
    OSError,  # late ones too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.InternalClientError,
)
_NO_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)


def in_doubt(error: BaseException, connection: Any) -> bool:
    """Whether the connection must not be used again."""
    if not isinstance(error, Exception) or connection.is_closed():
        return True
    return isinstance(error, _AWAY) and not isinstance(error, _REFUSED)


def sorted_out(error: BaseException, connection: Any) -> BaseException:
    """What is raised instead, or the error itself."""
    lost = isinstance(error, asyncpg.InterfaceError) and connection.is_closed()
    if lost or isinstance(error, _AWAY):
        return Unavailable(f"PostgreSQL: {_told(error)}")
    if isinstance(error, _NO_TEXT):
        return Invalid("a text holds a character that cannot be kept")
    return error


def given_up(error: BaseException) -> BaseException:
    """What is raised when repeating did not help."""
    refusal = Unavailable(f"PostgreSQL: others were in the way every time: {_told(error)}")
    return error if isinstance(error, CLASH) else refusal


# --- at the start

_UNUSABLE: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.InvalidPasswordError, "see to user and password in JOTGATE_DATABASE_URL"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "see to the user in JOTGATE_DATABASE_URL, to pg_hba.conf, and to ?sslmode=require if TLS is asked for",
    ),
    (asyncpg.InvalidCatalogNameError, "make it first: CREATE DATABASE ... ENCODING 'UTF8'"),
    (asyncpg.InvalidSchemaNameError, "make the schema first, or see to search_path"),
    (asyncpg.InsufficientPrivilegeError, "let the user CONNECT to the database, and USE and CREATE in its schema"),
    (asyncpg.TooManyConnectionsError, "raise max_connections, or lower JOTGATE_DATABASE_POOL on all nodes together"),
    (asyncpg.CannotConnectNowError, "it is starting or stopping: try again in a moment"),
    (asyncpg.ProtocolViolationError, "behind PgBouncer set JOTGATE_DATABASE_PGBOUNCER=on"),
    (asyncpg.CantChangeRuntimeParamError, "leave that parameter out of JOTGATE_DATABASE_URL"),
    (asyncpg.ClientConfigurationError, "see to JOTGATE_DATABASE_URL"),
    (ssl.SSLError, "see to sslmode and sslrootcert in JOTGATE_DATABASE_URL"),
    (
        TimeoutError,
        "see that its host and port in JOTGATE_DATABASE_URL are right, and that no firewall swallows connections",
    ),
    (OSError, "see that it runs, and that host, port and sslmode in JOTGATE_DATABASE_URL are right"),
)


def unusable(error: BaseException) -> DatabaseUnusable:
    """Why the start ends here, and what to do."""
    advice = next((advice for kind, advice in _UNUSABLE if isinstance(error, kind)), "")
    return DatabaseUnusable(f"PostgreSQL cannot be used ({_told(error)}){advice and f': {advice}'}")


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
