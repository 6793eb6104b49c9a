"""Patients as numbers that say nothing of them."""

from __future__ import annotations

import hashlib
import secrets


class Patients:
    """Numbers patients 0, 1, 2 ... in the order in which they are met, and forgets who they are.

    Ids are kept as a hash keyed with random bytes that live in this object only and are written nowhere: not even a list of all
    patients of the house brings an id back. The numbers depend on the order alone, so the same data gives the same numbers.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._numbers: dict[bytes, int] = {}
        self._met = 0

    def number(self, *parts: str) -> int:
        """The number of the patient whom these parts name together."""
        digest = hashlib.blake2b(key=self._key, digest_size=16)
        for part in parts:
            content = part.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "big") + content)
        found = self._numbers.get(digest.digest())
        return self._numbers.setdefault(digest.digest(), self.another()) if found is None else found

    def another(self) -> int:
        """The number of a patient nobody named, who is met this once."""
        self._met += 1
        return self._met - 1
