"""The payments service, in Flask: what was paid. The guard answers whoever may not see it."""

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from jotgate import Guard

app = Flask(__name__)
guard = Guard.from_env()  # JOTGATE_ISSUER
guard.flask(app)

PAYMENTS = [{"member": "Bob", "euros": 35}]


@app.get("/payments")
@guard.required(scope="payments:read")
def list_payments() -> ResponseReturnValue:
    return jsonify(PAYMENTS)


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    """For whoever starts us."""
    return jsonify(status="ok")
