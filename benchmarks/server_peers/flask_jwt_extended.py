"""Flask-JWT-Extended with its block list in the database by Flask-SQLAlchemy; a refresh blocks what it used up."""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, get_jwt, jwt_required
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.server_peers.connection import tune


class Base(DeclarativeBase):
    pass


application = Flask(__name__)
application.config["JWT_SECRET_KEY"] = os.environ["PEER_SECRET"]
application.config["SQLALCHEMY_DATABASE_URI"] = os.environ["PEER_DATABASE"]
jwt = JWTManager(application)
database = SQLAlchemy(application, model_class=Base)


class TokenBlocklist(Base):
    __tablename__ = "token_blocklist"

    id: Mapped[int] = mapped_column(primary_key=True)
    jti: Mapped[str] = mapped_column(index=True)
    type: Mapped[str]
    user_id: Mapped[str]
    created_at: Mapped[datetime]


with application.app_context():
    tune(database.engine)


@jwt.token_in_blocklist_loader
def is_blocked(_header: Any, payload: Any) -> bool:
    return database.session.query(TokenBlocklist.id).filter_by(jti=payload["jti"]).scalar() is not None


@application.post("/refresh")
@jwt_required(refresh=True)  # type: ignore[untyped-decorator] # it has no types
def refresh() -> Response:
    old = get_jwt()
    entry = TokenBlocklist(jti=old["jti"], type=old["type"], user_id=old["sub"], created_at=datetime.now(UTC))
    database.session.add(entry)
    database.session.commit()
    return jsonify(access_token=create_access_token(old["sub"]), refresh_token=create_refresh_token(old["sub"]))


def prepare(count: int) -> list[str]:
    """Tables, and a refresh token for each user."""
    with application.app_context():
        database.create_all()
        return [create_refresh_token(f"user-{at}") for at in range(count)]


if __name__ == "__main__":
    print(json.dumps(prepare(int(sys.argv[1]))))
