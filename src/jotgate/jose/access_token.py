"""What an access token must say, once its signature is good (RFC 9068 section 4, RFC 8725 section 3).

    claim       rule
    ----------  --------------------------------------------------------------------
    iss         is the issuer expected, to the byte
    aud         contains the audience that we are, to the byte
    exp         later than now - leeway: *on* exp is too late (RFC 7519 section 4.1.4)
    nbf, iat    not later than now + leeway
    exp - iat   at most the ceiling

That they are there, and of their kind, is the business of `claims`.
"""

from jotgate.errors import AudienceMismatch, Expired, IssuerMismatch, LifetimeExcessive, NotYetValid
from jotgate.jose.claims import Claims, Expect


def check(claims: Claims, expect: Expect, now: int) -> None:
    """Raises the `TokenError` of the first rule that does not hold."""
    if claims.iss != expect.issuer:
        raise IssuerMismatch("another issuer")
    if expect.audience not in claims.aud:
        raise AudienceMismatch("our audience is not in aud")
    exp, iat, nbf, leeway = claims.exp, claims.iat, claims.nbf, expect.leeway
    if exp <= now - leeway:
        raise Expired(f"expired {now - exp} s ago")
    if iat > now + leeway or (nbf is not None and nbf > now + leeway):
        raise NotYetValid("iat or nbf lies in the future")
    if exp - iat > expect.max_lifetime:
        raise LifetimeExcessive(f"lives {exp - iat} s; {expect.max_lifetime} are allowed")
