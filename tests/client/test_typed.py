"""Typed uses of the public client: mypy holds them, and they run."""

import aiohttp
import httpx
import httpx2
import pytest
import requests

from jotgate import ClientSession, TokenAuth
from jotgate.client.aiohttp import bearer
from jotgate.client.requests import RequestsAuth
from tests.client.conftest import Client
from tests.client.guarded import Service


def test_a_thread(client: Client, api: Service) -> None:
    session: ClientSession = client.login()
    token: str = session.token()

    with httpx2.Client(auth=TokenAuth(session)) as newer, httpx.Client(auth=TokenAuth(session, only=api.url)) as older:
        statuses = [newer.get(api.url).status_code, older.get(api.url).status_code]
    statuses.append(requests.get(api.url, auth=RequestsAuth(session, only=[api.url]), timeout=10).status_code)

    assert token
    assert statuses == [200] * 3


async def _tasks(session: ClientSession, url: str) -> list[int]:
    token: str = await session.atoken()
    renewed: str = await session.arenew(token)
    assert renewed != token
    auth = TokenAuth(session)
    async with (
        httpx2.AsyncClient(auth=auth) as newer,
        httpx.AsyncClient(auth=auth) as older,
        aiohttp.ClientSession(middlewares=[bearer(session, only=url)]) as third,
        third.get(url) as answer,
    ):
        return [(await newer.get(url)).status_code, (await older.get(url)).status_code, answer.status]


async def _whole(client: Client, url: str) -> list[int]:
    session = await ClientSession.alogin(client.issuer, email=client.email, password="a long enough passphrase")
    statuses = await _tasks(session, url)
    await session.alogout()
    return statuses


@pytest.mark.anyio
async def test_a_task(client: Client, api: Service, anyio_backend: str) -> None:
    assert await _whole(client, api.url) == [200] * 3
