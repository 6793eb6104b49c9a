"""What an audit judges: one of the things that a pipeline leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from upcycle.audit.attacks import ThreatModel


class Role(StrEnum):
    """What becomes of a part, or what it is there for."""

    STUDENT = "student"  # leaves
    VARIANT = "variant"  # another student, which could leave instead
    SYNTHETIC = "synthetic set"  # leaves with the student
    DISTILLED = "distilled generator"  # leaves; it learned from the synthetic set alone
    GENERATOR = "generator"  # stays inside
    BASELINE = "baseline"  # trained on the records themselves; stays inside
    PRIVATE = "private model"  # by DP-SGD, to compare with
    TEACHER = "teacher"  # saw the records and stays inside
    CONTROL = "positive control"  # was made to remember the records: what an audit that works must see


@dataclass(frozen=True)
class Part:
    """A part by its role and its name."""

    role: Role
    name: str

    @classmethod
    def named(cls, name: str) -> Part:
        """The part of this name: of the role called so, or a variant."""
        return cls(Role(name) if name in tuple(Role) else Role.VARIANT, name)

    @property
    def access(self) -> ThreatModel:
        """What it takes to ask it as it is."""
        return ThreatModel.TEACHER if self.role in (Role.TEACHER, Role.CONTROL) else ThreatModel.LOGITS

    def __str__(self) -> str:
        return self.name
