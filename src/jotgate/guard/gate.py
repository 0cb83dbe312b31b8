"""Through the gate: a framework's request, as the few facts that all of them know, to who is asking.

    credentials          verdict
    -----------------    ---------------------------------------------------------
    none                 None: whether that will do is the route's to say
    good                 the principal
    good, by cookie      the principal, if the page may do this (`request.check_site`)
    any others           the error, for `Guard.answer`

`caller` is for frameworks that give a request a thread, `arriving` for those with a loop. Both wait for the issuer,
with limits; `judged` never waits.
"""

from typing import Final

from jotgate.errors import (
    CredentialsAmbiguous,
    CrossSite,
    Forbidden,
    JotgateError,
    StepUpRequired,
    TokenError,
    Unavailable,
)
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal
from jotgate.guard.request import Facts, check_site, credentials
from jotgate.guard.waiting import awaited, waited

ANSWERED: Final[tuple[type[JotgateError], ...]] = (
    TokenError,
    CredentialsAmbiguous,
    Forbidden,
    StepUpRequired,
    CrossSite,
    Unavailable,
)  # what a guard answers, wherever in a request it was raised


def judged(guard: Guard, facts: Facts) -> Principal | NeedKeys | None:
    """The verdict on a request, or what must come first; None: there are no credentials. Raises one of `ANSWERED`."""
    found = credentials(facts, guard.options)
    if found is None:
        return None
    verdict = guard.check(found.token, now=guard.clock())
    if isinstance(verdict, Principal) and found.source == "cookie":
        check_site(facts, verdict, guard.options)
    return verdict


def caller(guard: Guard, facts: Facts) -> Principal | None:
    """Who is asking; waits in this thread. None: there are no credentials. Raises one of `ANSWERED`."""
    return waited(lambda: judged(guard, facts), guard.arrivals)


async def arriving(guard: Guard, facts: Facts) -> Principal | None:
    """Who is asking; the loop goes on meanwhile. None: there are no credentials. Raises one of `ANSWERED`."""
    return await awaited(lambda: judged(guard, facts), guard.arrivals)
