"""A process that calls a service with the session of a token file: `worker FILE URL UNTIL`; prints what it saw.

Without a URL it takes the lock of the file and stays.
"""

import json
import sys
import time

import httpx2

from jotgate.client import ClientSession
from jotgate.client.auth import TokenAuth
from jotgate.client.tokenfile import TokenFile


def call(path: str, url: str, until: float) -> None:
    session = ClientSession.from_file(path)
    statuses = set()
    with httpx2.Client(auth=TokenAuth(session), timeout=20) as client:
        while time.monotonic() < until:
            statuses.add(client.get(url).status_code)
            time.sleep(0.1)
    print(json.dumps({"statuses": [*statuses], "last": session.token()}), flush=True)


def hold(path: str) -> None:
    with TokenFile(path).alone(seconds=5):
        print("held", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    call(sys.argv[1], sys.argv[2], float(sys.argv[3])) if sys.argv[2] else hold(sys.argv[1])
