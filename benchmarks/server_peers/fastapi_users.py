"""fastapi-users as its full example has it: SQLAlchemy's async engine, bearer tokens as JWT, no refresh tokens."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = os.environ["PEER_SECRET"]
PASSWORD = "correct horse battery staple"


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


engine = create_async_engine(make_url(os.environ["PEER_DATABASE"]).set(drivername="postgresql+asyncpg"))
sessions = async_sessionmaker(engine, expire_on_commit=False)
Users = SQLAlchemyUserDatabase[User, uuid.UUID]


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def users(opened: Annotated[AsyncSession, Depends(session)]) -> AsyncIterator[Users]:
    yield SQLAlchemyUserDatabase(opened, User)


async def user_manager(found: Annotated[Users, Depends(users)]) -> AsyncIterator[UserManager]:
    yield UserManager(found)


def strategy() -> JWTStrategy[User, uuid.UUID]:
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


backend = AuthenticationBackend(name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=strategy)
application = FastAPI()
application.include_router(
    FastAPIUsers[User, uuid.UUID](user_manager, [backend]).get_auth_router(backend), prefix="/auth/jwt"
)


async def prepare(count: int) -> list[str]:
    """Tables and users; there are no refresh tokens, so these are the names to log in with."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    names = [f"user-{at}@example.com" for at in range(count)]
    hashed = PasswordHelper().hash(PASSWORD)
    async with sessions() as opened, opened.begin():
        opened.add_all([User(id=uuid.uuid4(), email=name, hashed_password=hashed) for name in names])
    await engine.dispose()
    return names


if __name__ == "__main__":
    print(json.dumps(asyncio.run(prepare(int(sys.argv[1])))))
