"""The members service, in FastAPI: who trains here. Its guard knows the issuer's URL, JOTGATE_ISSUER, and no more."""

from typing import Annotated

from fastapi import FastAPI, Security

from jotgate import Guard, Principal

guard = Guard.from_env()
app = FastAPI(title="Members")

MEMBERS: list[dict[str, str | int]] = [{"name": "Ada", "since": 2021}, {"name": "Bob", "since": 2024}]


@app.get("/members")
def list_members(_caller: Annotated[Principal, Security(guard, scopes=["members:read"])]) -> list[dict[str, str | int]]:
    """For whoever may read members: `members:read`, or `members:*`."""
    return MEMBERS


@app.get("/healthz")
def healthz() -> dict[str, str]:
    """For whoever starts us."""
    return {"status": "ok"}
