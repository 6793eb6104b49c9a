"""The four words, and which verdict leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from upcycle.audit.verdict._part import Role

Word = Literal["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one part.

    Attributes:
        target: its name.
        role: its role.
        verdict: the word.
        line: the word, and what the audit could have seen or still needs.
        sentence: why, and what the audit could have seen.
        p: smallest adjusted p of its tests; 1 where there is none.
    """

    target: str
    role: Role
    verdict: Word
    line: str
    sentence: str
    p: float


def headline(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on the student, or on the first part where there is none; never on a model that was made to leak."""
    judged = [verdict for verdict in verdicts if verdict.role is not Role.CONTROL] or verdicts
    return next((verdict for verdict in judged if verdict.role is Role.STUDENT), judged[0])


@dataclass(frozen=True, eq=False)
class Judged:
    """What has verdicts, and one that leads."""

    verdicts: tuple[Verdict, ...]

    @property
    def headline(self) -> Verdict:
        """The verdict on the student, or on the first part where there is none."""
        return headline(self.verdicts)

    @property
    def verdict(self) -> Word:
        """LEAKS, NO LEAK FOUND, INCONCLUSIVE or INVALID."""
        return self.headline.verdict

    @property
    def sentence(self) -> str:
        """What stands with the verdict: why, and what the audit could have seen."""
        return self.headline.sentence

    @property
    def line(self) -> str:
        """The verdict in one line: the word, and what the audit could have seen or still needs."""
        return self.headline.line
