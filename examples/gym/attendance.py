"""The attendance service, in Django: who came when. It asks the members service who they are, as its own caller."""

import os

import httpx2
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from jotgate.guard.django import require

settings.configure(
    SECRET_KEY="signs nothing here",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["jotgate.guard.django.GuardMiddleware"],
    JOTGATE={"exclude": ["/healthz"]},  # the issuer is JOTGATE_ISSUER
)

MEMBERS_URL = os.environ.get("MEMBERS_URL", "http://127.0.0.1:8001/members")
VISITS = {"Ada": ["2026-11-02", "2026-11-05"], "Bob": ["2026-11-04"]}


@require(scope="members:read")
async def attendance(request: HttpRequest) -> HttpResponse:
    """The token goes along: the members service decides for itself what this caller may see."""
    as_caller = {"Authorization": request.headers["Authorization"]}
    try:
        async with httpx2.AsyncClient(timeout=5) as client:
            answer = await client.get(MEMBERS_URL, headers=as_caller)
    except httpx2.TransportError:
        return JsonResponse({"error": "the members service does not answer"}, status=502)
    if answer.status_code != 200:
        kept = {name: answer.headers[name] for name in ("Content-Type", "WWW-Authenticate") if name in answer.headers}
        return HttpResponse(answer.content, status=answer.status_code, headers=kept)
    return JsonResponse([member | {"visits": VISITS.get(member["name"], [])} for member in answer.json()], safe=False)


async def healthz(_request: HttpRequest) -> JsonResponse:
    """For whoever starts us."""
    return JsonResponse({"status": "ok"})


urlpatterns = [path("attendance", attendance), path("healthz", healthz)]
app = get_asgi_application()
