"""Django, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 gunicorn examples.quickstart.django_app:app`."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from jotgate.guard.django import optional, require

settings.configure(
    SECRET_KEY="not used here",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["jotgate.guard.django.GuardMiddleware"],
)


def me(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.principal.sub})


@require(role="manager")
def members(_request: HttpRequest) -> JsonResponse:
    return JsonResponse(["ada", "bob"], safe=False)


@optional
def home(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": request.principal.sub if request.principal else "stranger"})


urlpatterns = [path("", home), path("me", me), path("members", members)]
app = get_wsgi_application()
