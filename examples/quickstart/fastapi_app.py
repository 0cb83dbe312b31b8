"""FastAPI, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 uvicorn examples.quickstart.fastapi_app:app --port 8001`."""

from typing import Annotated

from fastapi import Depends, FastAPI

from jotgate import Guard, Principal

app = FastAPI()
guard = Guard.from_env()


@app.get("/")
def home(caller: Annotated[Principal | None, Depends(guard.optional)]) -> dict[str, str]:
    return {"hello": caller.sub if caller else "stranger"}


@app.get("/me")
def me(caller: Annotated[Principal, Depends(guard)]) -> dict[str, str]:
    return {"sub": caller.sub}


@app.get("/members", dependencies=[Depends(guard.require(role="manager"))])
def members() -> list[str]:
    return ["ada", "bob"]
