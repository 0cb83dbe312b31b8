"""Logging for the process that we run ourselves: text or JSON lines on standard error, without secrets.

A library must not force a logger: only `jotgate serve` calls this; mounted in another application, its logging counts.
No code of ours logs a token or a password; what somebody else's message or traceback might quote is cut out here.
"""

import logging
import re
import sys
import time

import msgspec

_TOKENS = re.compile(r"jgr_[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+){0,4}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def start(*, log_format: str, level: str) -> None:
    """Send all records of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # A line for each request costs more than many a request: whoever wants it asks for debug.
    for chatty in ("uvicorn", "jotgate.access"):
        logging.getLogger(chatty).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.captureWarnings(capture=True)


def _instant(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _without_tokens(text: str) -> str:
    return _TOKENS.sub("(token)", text)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items() if value != "")
        line = f"{_instant(record)} {record.levelname} {record.name}: {record.getMessage()}{facts}"
        # One record, one line: what came in from outside must not look like a record of its own.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return _without_tokens(line)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return _without_tokens(msgspec.json.encode(fields, enc_hook=str).decode())
