"""JSONTestSuite: nothing that must fail is accepted in header, claims or key set; what must pass passes."""

from pathlib import Path

import pytest

from jotgate.errors import KeyRefused, Malformed, TokenError
from jotgate.jose import b64, jwk, jwks, jws, jwt, strictjson
from tests.jose.keys import EXPECT, MEMBERS, NOW, header, key, sealed, segment
from tests.jose.vectors import files, needs_vectors

KEY = key("HS256")

# Right by RFC 8259, and refused by our own rules.
STRICTER = {
    "y_object_duplicated_key.json": "a name twice",
    "y_object_duplicated_key_and_value.json": "a name twice",
}
# Up to the reader by RFC 8259; we read these and refuse all other i_*.
READ_ANYWAY = {"i_number_real_underflow.json", "i_number_double_huge_neg_exp.json"}


def cases(start: str) -> list[object]:
    return [pytest.param(path, id=path.name) for path in files(f"json/test_parsing/{start}_*.json")]


def wrapped(path: Path) -> bytes:
    """The vector as the value of a member: objects are all that is read."""
    return b'{"v":' + path.read_bytes() + b"}"


def places(path: Path) -> list[bytes]:
    """The vector as it is, as a value beside what is needed, and as the last of it."""
    data = path.read_bytes()
    return [data, wrapped(path)]


def beside(members: dict[str, object], path: Path) -> bytes:
    return strictjson.dumps(members)[:-1] + b',"v":' + path.read_bytes() + b"}"


def small(data: bytes) -> bool:
    return len(b64.encode_bytes(data)) < 7000


@needs_vectors
@pytest.mark.parametrize("path", cases("n"))
def test_what_must_fail_fails_everywhere(path: Path) -> None:
    for data in places(path):
        with pytest.raises(Malformed):
            strictjson.loads(data)
        with pytest.raises(Malformed):
            strictjson.exact(data)
        with pytest.raises(KeyRefused):
            jwk.parse(data)
        with pytest.raises(KeyRefused):
            jwks.parse(data)
    for data in (path.read_bytes(), beside(header(KEY), path)):
        with pytest.raises(TokenError):
            jws.verify(sealed(KEY, b64.encode_bytes(data), b"e30"), KEY)
    for data in (path.read_bytes(), beside(MEMBERS, path)):
        with pytest.raises(TokenError):
            jwt.decode(claimed(data), KEY, EXPECT, now=NOW)
    with pytest.raises(KeyRefused):
        jwks.parse(b'{"keys":[],"v":' + path.read_bytes() + b"}")


def claimed(payload: bytes) -> str:
    return sealed(KEY, segment(header(KEY)), b64.encode_bytes(payload))


@needs_vectors
@pytest.mark.parametrize("path", cases("y"))
def test_what_must_pass_passes_bar_our_own_rules(path: Path) -> None:
    if path.name in STRICTER:
        with pytest.raises(Malformed):
            strictjson.loads(wrapped(path))
        return

    value = strictjson.loads(wrapped(path))

    assert value == strictjson.exact(wrapped(path))
    assert jwt.decode(claimed(beside(MEMBERS, path)), KEY, EXPECT, now=NOW).extra == strictjson.freeze(value)
    assert (
        jws.verify(sealed(KEY, b64.encode_bytes(beside(header(KEY), path)), b"e30"), KEY).header["v"]
        == strictjson.freeze(value)["v"]
    )
    assert jwks.parse(b'{"keys":[],"v":' + path.read_bytes() + b"}").keys == ()


@needs_vectors
@pytest.mark.parametrize("path", cases("i"))
def test_what_is_up_to_us_is_refused_unless_it_is_listed(path: Path) -> None:
    if path.name in READ_ANYWAY:
        assert strictjson.loads(wrapped(path))
        return

    with pytest.raises(Malformed):
        strictjson.loads(wrapped(path))
