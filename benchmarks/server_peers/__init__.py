"""Other servers of refresh tokens, set up as their documentation shows, for `benchmarks.servers`.

`python -m benchmarks.server_peers.NAME COUNT` makes the tables and prints COUNT refresh tokens as JSON; then the
module's `application` is served. `PEER_DATABASE` is a URL as SQLAlchemy writes it; `PEER_SECRET` signs tokens.
"""
