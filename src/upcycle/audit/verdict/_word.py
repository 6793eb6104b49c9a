"""The words of a verdict, and the one headline that stands for several targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Word = Literal["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"]


@dataclass(frozen=True)
class Verdict:
    """The word for one target, the line with what it could have seen or still needs, and the sentence that must stand
    beside it."""

    target: str
    verdict: Word
    sentence: str
    line: str


def headline(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on the student, or on the first target where there is none."""
    return next((verdict for verdict in verdicts if verdict.target == "student"), verdicts[0])
