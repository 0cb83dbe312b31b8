"""The client: obtains tokens and keeps them fresh, never twice at once.

session.py   ClientSession: log in, the token of the moment, log out; keeper.py: the tokens, and their renewal
auth.py      TokenAuth for httpx2 and httpx         requests.py, aiohttp.py   thin adapters for theirs
tokens.py    when to send, when to renew            answers.py    what the issuer's answer means
flight.py    one renewal for tasks and threads      tokenfile.py  and for processes
issuer.py    talking to the issuer                  origins.py    where a token may go
"""

from jotgate.client.issuer import Issuer
from jotgate.client.session import ClientSession
from jotgate.client.tokens import Tokens

__all__ = ["ClientSession", "Issuer", "Tokens"]
