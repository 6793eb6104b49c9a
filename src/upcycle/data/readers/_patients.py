"""Patients as numbers that say nothing of them."""

import hashlib
import secrets

from upcycle.data.readers._owners import spelled_alike


class Patients:
    """Numbers patients 0, 1, 2 ... in the order in which they are met, and forgets who they are.

    Ids are kept as a hash keyed with random bytes that live in this object only and are written nowhere: not even a list of all
    patients of the house brings an id back. The numbers depend on the order alone, so the same data gives the same numbers.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._numbers: dict[bytes, int] = {}
        self._alike: dict[bytes, set[int]] = {}
        self._met = 0

    def number(self, *parts: str) -> int:
        """The number of the patient whom these parts name together."""
        digest = self._hash(*parts)
        found = self._numbers.get(digest)
        if found is None:
            found = self._numbers.setdefault(digest, self.another())
            self._alike.setdefault(self._hash(spelled_alike(parts[-1])), set()).add(found)
        return found

    def alike(self) -> int:
        """How many patients have an id whose last part is that of another one but for its spelling."""
        return sum(len(numbers) for numbers in self._alike.values() if len(numbers) > 1)

    def _hash(self, *parts: str) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=16)
        for part in parts:
            content = part.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.digest()

    def another(self) -> int:
        """The number of a patient nobody named, who is met this once."""
        self._met += 1
        return self._met - 1
