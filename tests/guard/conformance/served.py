"""One application of the table for a server process: `uvicorn --factory`, `gunicorn` with a call."""

import os
from importlib import import_module
from typing import Any

from tests.guard.conformance.table import guarded

FRAMEWORK, ISSUER, BY_COOKIE = "CONFORMANCE_FRAMEWORK", "CONFORMANCE_ISSUER", "CONFORMANCE_COOKIE"


def application() -> Any:
    """As the environment says."""
    framework = import_module(f"tests.guard.conformance.apps.{os.environ[FRAMEWORK]}")
    return framework.build(guarded(os.environ[ISSUER], cookie=os.environ[BY_COOKIE] == "yes"))
