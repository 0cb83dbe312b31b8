import pytest

from jotgate.errors import KeyRefused
from jotgate.jose import jwk, new_key
from tests.jose.keys import algorithms


@pytest.mark.parametrize("alg", algorithms())
def test_a_new_key_is_of_its_algorithm_and_passes_every_check(alg: str) -> None:
    made = new_key(alg, "mine")

    again = jwk.from_private_bytes(alg, "mine", jwk.to_private_bytes(made))

    assert (made.kid, made.alg) == ("mine", alg)
    assert again == made
    made.verify(made.sign(b"data"), b"data")


@pytest.mark.parametrize("alg", algorithms())
def test_every_new_key_is_another(alg: str) -> None:
    assert new_key(alg).thumbprint != new_key(alg).thumbprint


def test_a_new_key_without_a_name_is_called_by_its_thumbprint() -> None:
    made = new_key("ES256")

    assert made.kid == jwk.thumbprint(made)


@pytest.mark.parametrize("alg", ["none", "", "es256", "ES256K", "RSA-OAEP"])
def test_for_other_algorithms_there_are_no_keys(alg: str) -> None:
    with pytest.raises(KeyRefused):
        new_key(alg)
