"""The test issuer's keys: one that signs for each algorithm that is asked for, made when it is."""

from itertools import count

from jotgate.guard.known import SharedSecret
from jotgate.jose import Key, jwk, jwks, new_key
from jotgate.jose.jws import Keys


class Keyring:
    """The last key of an algorithm signs; those before it are still published."""

    def __init__(self) -> None:
        self._keys: dict[str, list[Key]] = {}
        self._public: dict[str, Keys] = {}
        self._numbers = count(1)

    def signing(self, alg: str) -> Key:
        """What signs."""
        if not self._keys.get(alg):
            self._keys[alg] = [new_key(alg, f"test-{next(self._numbers)}")]
        return self._keys[alg][-1]

    def public(self, alg: str) -> Keys:
        """What guards know: the same object until something changes."""
        found = self._public.get(alg)
        if found is None:
            key = self.signing(alg)
            halves = (jwk.public_half(each) for each in self._keys[alg] if each.kty != "oct")
            found = self._public[alg] = SharedSecret(key) if key.kty == "oct" else jwks.of(*halves)
        return found

    def rotate(self) -> None:
        """Another key signs, for every algorithm."""
        for alg, keys in self._keys.items():
            keys.append(new_key(alg, f"test-{next(self._numbers)}"))
        self._public.clear()

    def drop(self, kid: str) -> None:
        """Forget the key of this name; one that is not there is forgotten already."""
        for alg, keys in self._keys.items():
            self._keys[alg] = [key for key in keys if key.kid != kid]
        self._public.clear()
