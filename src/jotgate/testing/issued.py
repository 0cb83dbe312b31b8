"""Hostile tokens under a good signature: the issuer wrote them, but not for this service, now, or as access tokens.

group        what is wrong
---------    --------------------------------------------------------------------
times        too late, too early, too long, or no integer
issuers      not the issuer, to the byte
audiences    not for us, to the byte
subjects     nobody
kinds        a claim that is of another kind, or null
types        another kind of token: an ID token, a refresh token, a proof
"""

from typing import Any

from jotgate.testing.model import Model, Named, seal, stranger

_REQUIRED = ("iss", "sub", "aud", "exp", "iat")


def times(of: Model) -> Named:
    """RFC 7519 section 4.1.4: *on* `exp` is too late; the leeway is over to the second."""
    now, early, late = of.now, of.now - of.leeway, of.now + of.leeway + 1
    far = now + 10**9
    for name, said in (
        ("expired", {"exp": early, "iat": early - 900}),
        ("expired_an_hour_ago", {"exp": now - 3600, "iat": now - 4500}),
        ("expired_a_year_ago", {"exp": now - 31_536_000, "iat": now - 31_536_900}),
        ("expired_at_zero", {"exp": 0, "iat": 0}),
        ("expired_before_1970", {"exp": -1}),
        ("not_yet_valid", {"nbf": late, "exp": late + 900}),
        ("not_yet_valid_tomorrow", {"nbf": now + 86_400}),
        ("issued_in_the_future", {"iat": late, "exp": late + 900}),
        ("lives_too_long", {"iat": now, "exp": now + of.max_lifetime + 1}),
        ("lives_forever", {"exp": far}),
        ("exp_text", {"exp": str(now + 900)}),
        ("exp_fraction", {"exp": now + 900.5}),
        ("exp_whole_fraction", {"exp": float(now + 900)}),
        ("exp_true", {"exp": True}),
        ("exp_list", {"exp": [now + 900]}),
        ("exp_milliseconds", {"exp": (now + 900) * 1000}),
        ("exp_of_16_digits", {"exp": 10**15}),
        ("iat_text", {"iat": str(now)}),
        ("iat_fraction", {"iat": now + 0.5}),
        ("iat_true", {"iat": True}),
        ("nbf_text", {"nbf": str(now)}),
        ("nbf_fraction", {"nbf": now + 0.5}),
        ("nbf_false", {"nbf": False}),
    ):
        yield name, of.signed(None, of.said(**said))


def issuers(of: Model) -> Named:
    """RFC 9068 section 4: exactly the issuer."""
    ours = str(of.claims["iss"])
    for name, iss in (
        ("wrong_issuer", "https://evil.example"),
        ("issuer_slash_behind", ours + "/"),
        ("issuer_path_behind", ours + "/evil"),
        ("issuer_as_a_subdomain", ours + ".evil.example"),
        ("issuer_upper_case", ours.upper()),
        ("issuer_blank_behind", ours + " "),
        ("issuer_nul_behind", ours + "\0"),
        ("issuer_cut", ours[:-1]),
        ("issuer_empty", ""),
        ("issuer_list", [ours]),
        ("issuer_number", 1),
    ):
        yield name, of.signed(None, of.said(iss=iss))


def audiences(of: Model) -> Named:
    """RFC 7519 section 4.1.3: a principal that is not among them must reject the token."""
    aud = of.claims["aud"]
    ours = str(aud if isinstance(aud, str) else aud[0])
    for name, wrong in (
        ("wrong_audience", "https://somebody-else.example"),
        ("audience_slash_behind", ours + "/"),
        ("audience_cut", ours[:-1] or "x"),
        ("audience_longer", ours + "2"),
        ("audience_blank_behind", ours + " "),
        ("audience_swapped_case", ours.swapcase() if ours.swapcase() != ours else ours + "x"),
        ("audience_star", "*"),
        ("audience_in_one_text", f"other {ours} more"),
        ("audience_empty", ""),
        ("audience_empty_list", []),
        ("audience_nested", [[ours]]),
        ("audience_with_null", [ours, None]),
        ("audience_object", {ours: True}),
        ("audience_number", 1),
        ("audience_true", True),
        ("audience_others", ["one", "two", ours + "3"]),
    ):
        yield name, of.signed(None, of.said(aud=wrong))


def subjects(of: Model) -> Named:
    """A token speaks for somebody, and nobody's name breaks a line in a log."""
    for name, sub in (
        ("subject_empty", ""),
        ("subject_number", 1),
        ("subject_list", ["ada"]),
        ("subject_object", {"id": "ada"}),
        ("subject_with_newline", "ada\nadmin"),
        ("subject_with_nul", "ada\0"),
        ("subject_with_escape", "ada\x1b[2J"),
        ("subject_with_c1_control", "ada\x85"),
    ):
        yield name, of.signed(None, of.said(sub=sub))


def kinds(of: Model) -> Named:
    """Claims that are missing, null, or of another kind (RFC 9068 section 2.2)."""
    for claim in _REQUIRED:
        yield f"{claim}_missing", of.signed(None, of.said(**{claim: ...}))
        yield f"{claim}_null", of.signed(None, of.said(**{claim: None}))
    wrong: tuple[tuple[str, Any], ...] = (
        ("jti", 1),
        ("jti", ""),
        ("client_id", 1),
        ("sid", 1),
        ("sid", ""),
        ("scope", ["admin:*"]),
        ("scope", 1),
        ("scope", "admin:*\n"),
        ("roles", "admin"),
        ("roles", {"admin": True}),
        ("roles", [1]),
        ("roles", [""]),
        ("roles", ["admin"] * 257),
        ("epoch", "1"),
        ("epoch", 1.5),
        ("auth_time", "1"),
        ("amr", "pwd"),
    )
    for number, (claim, value) in enumerate(wrong):
        yield f"{claim}_of_wrong_kind_{number}", of.signed(None, of.said(**{claim: value}))


def types(of: Model) -> Named:
    """RFC 8725 section 3.11: `typ` tells an access token from everything else that the same key signs."""
    for name, typ in (
        ("id_token", "JWT"),
        ("no_typ", ...),
        ("typ_null", None),
        ("typ_empty", ""),
        ("typ_number", 1),
        ("typ_list", ["at+jwt"]),
        ("refresh_token_jwt", "rt+jwt"),
        ("logout_token", "logout+jwt"),
        ("dpop_proof", "dpop+jwt"),
        ("security_event", "secevent+jwt"),
        ("introspection_answer", "token-introspection+jwt"),
        ("client_assertion", "client-authentication+jwt"),
        ("typ_jose", "JOSE"),
        ("typ_with_parameter", "at+jwt;v=1"),
        ("typ_blank_behind", "at+jwt "),
        ("typ_longer", "at+jwtx"),
        ("typ_prefix_twice", "application/application/at+jwt"),
    ):
        yield name, of.signed(of.header(typ=typ))
    yield "id_token_with_nonce", of.signed(of.header(typ="JWT"), of.said(nonce="n-0S6", at_hash="MTIz"))
    yield "nested_token", of.signed(of.header(cty="JWT"), of.good.encode())
    yield (
        "of_another_issuer",
        seal(stranger(of.key.alg), of.header(kid="stranger"), of.said(iss="https://evil.example")),
    )
