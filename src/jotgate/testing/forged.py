"""Hostile tokens, forged: what somebody can make who has no key of the issuer, but all that is public.

group         what it tries
----------    ---------------------------------------------------------------------------------
nones         a signature that need not be there (CVE-2015-9235)
confusions    the public key as a secret, another algorithm over the same key (CVE-2016-10555)
names         `kid` as a path, a query, an address (CVE-2018-0114 and many since)
offered       the header brings its own key, or says where one is
signatures    of the wrong length, range, encoding or data (CVE-2022-21449)
mixtures      parts of good tokens put together anew
"""

import hmac

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.jose import b64, jwk, strictjson
from jotgate.jose.algs import to_der
from jotgate.testing.model import Model, Named, seal, segment, stranger

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def nones(of: Model) -> Named:
    """The algorithm that is none, in every spelling that somebody once took."""
    payload, signature = segment(of.said()).decode(), of.good.rpartition(".")[2]
    for name, alg in (
        ("none_alg", "none"),
        ("none_alg_capital", "None"),
        ("none_alg_upper", "NONE"),
        ("none_alg_mixed", "nOnE"),
        ("none_alg_blank", "none "),
        ("alg_empty", ""),
        ("alg_null", None),
        ("alg_missing", ...),
        ("alg_false", False),
        ("alg_zero", 0),
        ("alg_list", [of.key.alg]),
        ("alg_object", {"name": of.key.alg}),
        ("alg_lower_case", of.key.alg.lower()),
        ("alg_with_nul", of.key.alg + "\0"),
    ):
        head = segment(of.header(alg=alg)).decode()
        yield name, f"{head}.{payload}."
        yield f"{name}_two_segments", f"{head}.{payload}"
        yield f"{name}_signature_kept", f"{head}.{payload}.{signature}"
        yield f"{name}_signed", of.signed(of.header(alg=alg))


def confusions(of: Model) -> Named:
    """Whoever lets the header choose is taken in."""
    for form, secret in _public_texts(of):
        yield f"hs_with_{form}", _mac(of, secret)
    for alg in ("HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "ES256K", "dir"):
        if alg != of.key.alg:
            yield f"{alg.lower()}_named_over_our_signature", of.signed(of.header(alg=alg))
    for alg in ("HS256", "ES256", "ES384", "EdDSA"):
        if alg != of.key.alg:
            yield f"{alg.lower()}_by_a_stranger", seal(stranger(alg), of.header(alg=alg), of.said())
            yield f"{alg.lower()}_by_a_stranger_named_ours", seal(stranger(alg), of.header(), of.said())


def _public_texts(of: Model) -> list[tuple[str, bytes]]:
    texts = [
        ("empty_secret", b""),
        ("kid", of.key.kid.encode()),
        ("issuer", str(of.claims["iss"]).encode()),
        ("word_secret", b"secret"),
        ("word_changeme", b"changeme"),
    ]
    if of.key.kty == "oct":
        return texts
    spki = PublicFormat.SubjectPublicKeyInfo
    pem, der = of.key.public.public_bytes(Encoding.PEM, spki), of.key.public.public_bytes(Encoding.DER, spki)
    return [
        ("public_key", pem),
        ("public_key_stripped", pem.strip()),
        ("public_key_der", der),
        ("public_key_jwk", strictjson.dumps(jwk.export_public(of.key))),
        ("thumbprint", of.key.thumbprint.encode()),
        *texts,
    ]


def _mac(of: Model, secret: bytes, **changes: object) -> str:
    alg, digest = ("HS512", "sha512") if of.key.alg == "HS256" and secret == b"" else ("HS256", "sha256")
    data = segment(of.header(alg=alg, **changes)) + b"." + segment(of.said())
    return f"{data.decode()}.{b64.encode(hmac.digest(secret, data, digest))}"


def names(of: Model) -> Named:
    """`kid` is a name in the set of keys and nothing else."""
    kid = of.key.kid
    others = (
        ("kid_unknown", "stranger"),
        ("kid_empty", ""),
        ("kid_blank_behind", kid + " "),
        ("kid_nul_behind", kid + "\0"),
        ("kid_longer", kid + kid),
    )
    for name, wrong in (
        *(() if of.key.kty == "oct" else others),  # a shared secret has no name that its guards would know
        ("kid_null", None),
        ("kid_number", 0),
        ("kid_true", True),
        ("kid_list", [kid]),
        ("kid_object", {"kid": kid}),
    ):
        yield name, of.signed(of.header(kid=wrong))
    for name, wrong in (
        ("kid_dev_null", "/dev/null"),
        ("kid_path", "../../../../../../dev/null"),
        ("kid_sql", "x' UNION SELECT '' --"),
        ("kid_shell", "| sleep 10"),
        ("kid_address", "http://localhost/key"),
        ("kid_star", "*"),
        ("kid_percent", "%00"),
    ):
        yield name, _mac(of, b"", kid=wrong)
    yield "swapped_key", seal(stranger(of.key.alg), of.header(), of.said())
    yield "swapped_key_no_kid", seal(stranger(of.key.alg), of.header(kid=...), of.said())
    yield "swapped_key_its_kid", seal(stranger(of.key.alg), of.header(kid="stranger"), of.said())


def offered(of: Model) -> Named:
    """RFC 7515 section 4.1: where a key may be said to lie; it is never looked for there."""
    liar = stranger(of.key.alg)
    public = jwk.export_public(liar)
    chain = ["MAAA" * 16]
    for name, offer in (
        ("jwk", {"jwk": public}),
        ("jwk_with_our_kid", {"jwk": public | {"kid": of.key.kid}}),
        ("jku", {"jku": "https://evil.example/jwks.json"}),
        ("jku_at_our_issuer", {"jku": f"{of.claims['iss']}/.well-known/jwks.json@evil.example"}),
        ("jku_file", {"jku": "file:///etc/passwd"}),
        ("jku_loopback", {"jku": "http://169.254.169.254/latest/meta-data"}),
        ("x5u", {"x5u": "https://evil.example/chain.pem"}),
        ("x5c", {"x5c": chain}),
        ("x5t", {"x5c": chain, "x5t": "AAAA", "x5t#S256": "AAAA"}),
        ("jwks_in_the_header", {"keys": [public]}),
        ("epk", {"epk": public}),
        ("k", {"k": "AAAA"}),
    ):
        yield name, seal(liar, of.header(**offer), of.said())
        yield f"{name}_its_kid", seal(liar, of.header(kid="stranger", **offer), of.said())


def signatures(of: Model) -> Named:
    """What is no signature of this text by this key."""
    data, _, text = of.good.rpartition(".")
    raw = b64.decode(text)
    half = len(raw) // 2
    forms = {
        "signature_missing": b"",
        "signature_one_byte": raw[:1],
        "signature_halved": raw[:half],
        "signature_cut": raw[:-1],
        "signature_without_its_first_byte": raw[1:],
        "signature_with_a_zero_behind": raw + b"\0",
        "signature_with_a_zero_before": b"\0" + raw,
        "signature_twice": raw + raw,
        "signature_zeros": bytes(len(raw)),
        "signature_ones": b"\xff" * len(raw),
        "signature_reversed": raw[::-1],
        "signature_halves_swapped": raw[half:] + raw[:half],
        "signature_first_bit_flipped": bytes([raw[0] ^ 0x80]) + raw[1:],
        "signature_last_bit_flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
        "signature_of_the_payload": of.key.sign(segment(of.said())),
        "signature_of_the_header": of.key.sign(segment(of.header())),
        "signature_of_the_decoded_text": of.key.sign(
            strictjson.dumps(of.header()) + b"." + strictjson.dumps(of.claims)
        ),
        "signature_of_nothing": of.key.sign(b""),
        "signature_by_a_stranger": stranger(of.key.alg).sign(data.encode()),
        "signature_encoded_twice": text.encode(),
    }
    if of.key.alg == "ES256":
        forms |= _ecdsa(raw)
    for name, bad in forms.items():
        yield name, f"{data}.{b64.encode(bad)}"
    yield "signature_in_hexadecimal", f"{data}.{raw.hex()}"
    yield "signature_segment_missing", data


def _ecdsa(raw: bytes) -> dict[str, bytes]:
    r, s = raw[:32], raw[32:]
    order, zero, one = _P256.to_bytes(32, "big"), bytes(32), bytes(31) + b"\1"
    return {
        "ecdsa_r_zero": zero + s,
        "ecdsa_s_zero": r + zero,
        "ecdsa_r_and_s_one": one + one,
        "ecdsa_r_is_the_order": order + s,
        "ecdsa_s_is_the_order": r + order,
        "ecdsa_both_the_order": order + order,
        "ecdsa_as_der": to_der(r, s),
        "ecdsa_each_half_longer": b"\0" + r + b"\0" + s,
        "ecdsa_as_if_p384": r.rjust(48, b"\0") + s.rjust(48, b"\0"),
    }


def mixtures(of: Model) -> Named:
    """Nobody signed just this."""
    good, other = of.good, of.signed(None, of.said(sub="admin", jti="another"))
    head, payload, signature = good.split(".")
    _, other_payload, other_signature = other.split(".")
    middle = len(payload) // 2
    turned = _ALPHABET[(_ALPHABET.index(payload[middle]) + 1) % 64]
    yield "tampered", f"{head}.{payload[:middle]}{turned}{payload[middle + 1 :]}.{signature}"
    yield "tampered_subject", f"{head}.{segment(of.said(sub='admin')).decode()}.{signature}"
    yield "tampered_roles", f"{head}.{segment(of.said(roles=['admin', 'root'])).decode()}.{signature}"
    yield "tampered_scope", f"{head}.{segment(of.said(scope='* admin:*')).decode()}.{signature}"
    yield "tampered_expiry", f"{head}.{segment(of.said(exp=of.now + 80_000)).decode()}.{signature}"
    yield "tampered_header", f"{segment(of.header(x=1)).decode()}.{payload}.{signature}"
    yield "another_payload", f"{head}.{other_payload}.{signature}"
    yield "another_signature", f"{head}.{payload}.{other_signature}"
    yield "header_and_payload_swapped", f"{payload}.{head}.{signature}"
    yield "header_as_payload", f"{head}.{head}.{signature}"
    yield "payload_missing", f"{head}..{signature}"
    yield "header_missing", f".{payload}.{signature}"
    yield "two_tokens_joined", f"{good}.{other}"
    yield "two_payloads", f"{head}.{payload}{other_payload}.{signature}"
    yield "dot_moved_left", f"{head[:-1]}.{head[-1]}{payload}.{signature}"
    yield "dot_moved_right", f"{head}.{payload}{signature[0]}.{signature[1:]}"
    yield "first_character_missing", good[1:]
    yield "last_character_missing", good[:-1]
