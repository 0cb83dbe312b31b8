"""The routes of the conformance table in Flask."""

from flask import Flask

from jotgate.guard.flask import current_principal
from jotgate.guard.guard import Guard

KIND = "wsgi"
Who = dict[str, str | None]


def build(guard: Guard) -> Flask:
    app = Flask(__name__)
    guard.flask(app)

    @app.get("/open")
    def nobody() -> Who:
        return {"sub": None}

    def who() -> Who:
        return {"sub": current_principal.sub if current_principal else None}

    def inside() -> Who:
        current_principal.require(role="owner")
        return who()

    views = {
        "/optional": guard.required(optional=True)(who),
        "/role": guard.required(role="manager")(who),
        "/any-role": guard.required(role=["owner", "manager"], match="any")(who),
        "/scope": guard.required(scope="members:read")(who),
        "/all-scopes": guard.required(scope="members:read payments:read")(who),
        "/any-scope": guard.required(scope="payments:write members:read", match="any")(who),
        "/fresh": guard.required(max_age=300)(who),
        "/inside": guard.required()(inside),
    }
    app.add_url_rule("/me", view_func=guard.required()(who), methods=["GET", "POST"])
    for path, view in views.items():
        app.add_url_rule(path, path, view)
    return app
