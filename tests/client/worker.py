"""A process with the session of a token file: `worker FILE URL UNTIL` calls until then, and prints what it saw.

With `hold` for the URL it takes the lock of the file and stays; with `renew` it renews the tokens.
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
    file, what, end = sys.argv[1:]
    if what == "hold":
        hold(file)
    elif what == "renew":
        ClientSession.from_file(file).renew()
    else:
        call(file, what, float(end))
