"""The network that can be cut: what arrives, what comes back, and what does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from torture.link import Cut, Link, linked, to

pytestmark = pytest.mark.anyio

NOTHING_SECONDS = 0.2  # in which nothing comes


class Echo:
    """A server that says back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(100):
                self.heard += piece
                writer.write(piece)
        writer.close()


class Talk:
    """One connection through a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def hear(self) -> bytes:
        """What comes, or nothing."""
        try:
            async with asyncio.timeout(NOTHING_SECONDS):
                return await self.reader.read(100)
        except TimeoutError:
            return b""


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, Link]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with linked(to(server.sockets[0].getsockname()[1])) as link:
        yield echo, link
    server.close()


async def talk_over(link: Link) -> Talk:
    return Talk(*await asyncio.open_connection("127.0.0.1", link.port))


async def test_what_is_said_arrives_and_is_answered() -> None:
    async with echoing() as (_, link):
        talk = await talk_over(link)

        talk.say(b"hello")

        assert await talk.hear() == b"hello"
        talk.writer.close()


@pytest.mark.parametrize(
    ("how", "arrives", "answer_after"),
    [("freeze", b"", b"again"), ("swallow", b"again", b"again"), ("forget", b"", b"")],
)
async def test_a_cut_is_silent_and_what_was_under_way_comes_late_or_never(
    how: Cut, arrives: bytes, answer_after: bytes
) -> None:
    async with echoing() as (echo, link):
        talk = await talk_over(link)
        talk.say(b"hello")
        await talk.hear()

        link.cut(how)
        talk.say(b"again")
        during = await talk.hear()
        arrived = echo.heard.removeprefix(b"hello")
        link.heal()

        assert (during, arrived) == (b"", arrives)
        assert await talk.hear() == answer_after
        talk.writer.close()


@pytest.mark.parametrize("how", ["freeze", "swallow", "forget"])
async def test_a_connection_from_during_the_cut_is_taken_and_served_after_it(how: Cut) -> None:
    async with echoing() as (_, link):
        link.cut(how)
        talk = await talk_over(link)
        talk.say(b"hello")
        during = await talk.hear()

        link.heal()

        assert during == b""
        assert await talk.hear() == b"hello"
        talk.writer.close()


async def test_who_hangs_up_is_heard_of_at_the_other_end() -> None:
    async with echoing() as (_, link):
        talk = await talk_over(link)
        talk.say(b"hello")
        await talk.hear()

        await link.hang_up()

        assert await talk.reader.read() == b""
        talk.writer.close()
