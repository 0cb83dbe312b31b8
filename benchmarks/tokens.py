"""Tokens: verify and sign by algorithm beside PyJWT, joserfc and the bare primitive; and what a guard remembers."""

import time

from benchmarks.material import ALGORITHMS, AUDIENCE, ISSUER, Material, make
from benchmarks.measure import Call, Sample, interleave
from benchmarks.peers import signers, verifiers
from benchmarks.report import Goal, Row, at_least, at_most
from jotgate import Guard
from jotgate.jose import Claims, Expect, Key, jwk, jwks, jwt

TIMES_PYJWT, TIMES_PRIMITIVE, REMEMBERED_SECONDS = 10.0, 1.2, 0.5e-6
NEAR_PRIMITIVE = {"RS256", "ES256", "EdDSA"}


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    rounds = 25 if quick else 301
    rows: list[Row] = []
    for alg in ALGORITHMS:
        material = make(alg)
        verified = interleave({"jotgate": jotgate_verify(material), **verifiers(material)}, rounds=rounds)
        rows += _rows(f"verify {alg}, not seen before", verified, _verify_goal(alg, verified))
        signed = interleave({"jotgate": jotgate_sign(material), **signers(material)}, rounds=max(15, rounds // 3))
        rows += _rows(f"sign {alg}", signed, None)
    return rows + _remembered(make("ES256"), rounds=rounds)


def jotgate_verify(material: Material) -> Call:
    """From text to claims, with all strict checks; nothing of a token is remembered here."""
    key = _key(material)
    keys = jwks.of(key if key.kty == "oct" else jwk.public_half(key))
    token, expect, now = material.each_token(), Expect(ISSUER, AUDIENCE), int(time.time())
    decode = jwt.decode
    return lambda: decode(token(), keys, expect, now=now)


def jotgate_sign(material: Material) -> Call:
    """From claims to text."""
    key, encode = _key(material), jwt.encode
    made = {**material.claims}
    for name in ("aud", "roles", "amr"):
        made[name] = tuple(made[name])
    claims = Claims(**made)
    return lambda: encode(claims, key)


def _key(material: Material) -> Key:
    return jwk.parse(material.primitive.jwk)


def _verify_goal(alg: str, samples: dict[str, Sample]) -> Goal | None:
    ours = samples["jotgate"].cpu
    if alg == "HS256":
        ratio = samples["PyJWT"].cpu / ours
        return at_least("at least {limit:.0f} x PyJWT's speed ({value:.1f})", ratio, TIMES_PYJWT)
    if alg in NEAR_PRIMITIVE:
        ratio = ours / samples["primitive"].cpu
        return at_most("at most {limit} x the primitive ({value:.2f})", ratio, TIMES_PRIMITIVE)
    return None


def _rows(task: str, samples: dict[str, Sample], goal: Goal | None) -> list[Row]:
    ours = samples["jotgate"].cpu
    return [
        Row(
            task,
            who,
            sample.cpu,
            sample.wall,
            note="" if who == "jotgate" else f"{sample.cpu / ours:.2f} x jotgate's time",
            goal=goal if who == "jotgate" else None,
        )
        for who, sample in samples.items()
    ]


def _remembered(material: Material, *, rounds: int) -> list[Row]:
    """A guard that has seen the token: one, many, and in a text made anew, as requests bring it."""
    public = {"keys": [jwk.export_public(_key(material))]}
    guard = Guard(issuer=ISSUER, audience=AUDIENCE, jwks=public, revocation=None)
    verify, token, each = guard.verify, material.tokens[0], material.each_token()
    received = token.encode()
    samples = interleave(
        {
            "jotgate, one token": lambda: verify(token),
            f"jotgate, {len(material.tokens)} in turn": lambda: verify(each()),
            "jotgate, text made anew": lambda: verify(received.decode()),
        },
        rounds=rounds,
    )
    limit = REMEMBERED_SECONDS * 1e6
    return [
        Row(
            "verify ES256, remembered by a guard",
            who,
            sample.cpu,
            sample.wall,
            goal=at_most("at most {limit:.1f} us ({value:.3f})", sample.cpu * 1e6, limit),
        )
        for who, sample in samples.items()
    ]
