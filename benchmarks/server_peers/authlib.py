"""Authlib's OAuth 2 server on Flask and SQLAlchemy: the refresh token grant with a new refresh token in each answer."""

import json
import os
import sys
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from benchmarks.server_peers.connection import tune

CLIENT = "bench"


class Base(DeclarativeBase):
    pass


os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP behind a proxy
application = Flask(__name__)
application.config["SQLALCHEMY_DATABASE_URI"] = os.environ["PEER_DATABASE"]
application.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
database = SQLAlchemy(application, model_class=Base)


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)

    def get_user_id(self) -> int:
        return self.id


class Client(Base, OAuth2ClientMixin):  # type: ignore[misc] # Authlib has no types
    __tablename__ = "oauth2_client"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    user: Mapped[User] = relationship()


class Token(Base, OAuth2TokenMixin):  # type: ignore[misc] # Authlib has no types
    __tablename__ = "oauth2_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    user: Mapped[User] = relationship()


class RefreshTokenGrant(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        token = database.session.query(Token).filter_by(refresh_token=refresh_token).first()
        return token if token is not None and not token.is_revoked() else None

    def authenticate_user(self, refresh_token: Token) -> User | None:
        return database.session.get(User, refresh_token.user_id)

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.refresh_token_revoked_at = int(time.time())
        refresh_token.access_token_revoked_at = int(time.time())
        database.session.add(refresh_token)
        database.session.commit()


server = AuthorizationServer(
    application,
    query_client=create_query_client_func(database.session, Client),
    save_token=create_save_token_func(database.session, Token),
)
server.register_grant(RefreshTokenGrant)

with application.app_context():
    tune(database.engine)


@application.post("/oauth/token")
def issue_token() -> Any:
    return server.create_token_response()


def prepare(count: int) -> list[str]:
    """Tables, a public client, and a refresh token for each user."""
    tokens = [f"{at:048d}" for at in range(count)]
    with application.app_context():
        database.create_all()
        users = [User(id=at + 1, username=f"user-{at}") for at in range(count)]
        database.session.add_all(users)
        database.session.flush()
        client = Client(client_id=CLIENT, client_id_issued_at=int(time.time()), user_id=users[0].id)
        client.set_client_metadata(
            {"grant_types": ["refresh_token"], "token_endpoint_auth_method": "none", "scope": "profile"}
        )
        kept = [
            Token(
                client_id=CLIENT, user_id=user.id, token_type="Bearer", access_token=f"access-{token}",
                refresh_token=token, scope="profile", issued_at=int(time.time()), expires_in=864_000,
            )
            for user, token in zip(users, tokens, strict=True)
        ]  # fmt: skip
        database.session.add_all([client, *kept])
        database.session.commit()
    return tokens


if __name__ == "__main__":
    print(json.dumps(prepare(int(sys.argv[1]))))
