"""The guard: what stands before every route of every service.

guard.py       tokens in, principals out            principal.py   who is asking, and whether that is enough
options.py     what a guard can be told             judge.py       a token seen for the first time
memory.py      a token seen before                  known.py       what is known of the issuer
courier.py     keeps it fresh, with                 keyfetch.py, keycache.py, feedread.py, revoked.py,
digests.py, fetch.py                               observe.py     whoever counts is told
request.py     a request's one credential           gate.py        the verdict on a request
adapters: asgi.py, starlette.py, fastapi.py, litestar.py, wsgi.py, flask.py, quart.py, django.py, drf.py
"""
