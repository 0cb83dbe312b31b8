"""Flask, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 flask --app examples.quickstart.flask_app run --port 8001`."""

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from jotgate import Guard
from jotgate.guard.flask import current_principal

app = Flask(__name__)
guard = Guard.from_env()
guard.flask(app)


@app.get("/")
@guard.required(optional=True)
def home() -> ResponseReturnValue:
    return jsonify(hello=current_principal.sub if current_principal else "stranger")


@app.get("/me")
@guard.required()
def me() -> ResponseReturnValue:
    return jsonify(sub=current_principal.sub)


@app.get("/members")
@guard.required(role="manager")
def members() -> ResponseReturnValue:
    return jsonify(["ada", "bob"])
