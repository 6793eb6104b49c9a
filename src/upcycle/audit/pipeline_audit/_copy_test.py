"""Byte-identical copies in a released set: each is a coin that fell on a member or not."""

from dataclasses import dataclass

import numpy as np

from upcycle.audit.attacks import NEAREST
from upcycle.audit.pipelines import Shadows
from upcycle.audit.verdict import Role


@dataclass(frozen=True)
class CopyTest:
    """Records that a released set holds to the bit.

    Attributes:
        target: the set.
        members: coins of records or patients of which the set of a pipeline that was given them holds one to the bit, but not
            that of its complement.
        non_members: the same of pipelines that were not given them.
        p_value: exact, one-sided: were the set made without them, either is as likely.
    """

    target: str
    members: int
    non_members: int
    p_value: float

    @property
    def finding(self) -> str:
        """What it found."""
        both = self.members + self.non_members
        return f"{self.members} of {both} records that the released sets hold to the bit are members (half by luck)"


def copy_test(shadows: Shadows) -> CopyTest | None:
    """The sign test over units and pairs of pipelines; None where no set was released, or none holds such a record."""
    if NEAREST.name not in shadows.scores:
        return None
    design, units = shadows.design, int(shadows.design.units.max()) + 1
    same = shadows.scores[NEAREST.name] == 0
    signs = np.zeros((int(design.pairs.max()) + 1, units))
    for run, pair in enumerate(design.pairs):
        found, inside = (
            np.bincount(design.units, same[run], units) > 0,
            np.bincount(design.units, design.members[run], units) > 0,
        )
        signs[pair] += found * np.where(inside, 1, -1)
    members, others = int((signs > 0).sum()), int((signs < 0).sum())
    if not members + others:
        return None
    from scipy.stats import binom

    return CopyTest(Role.SYNTHETIC.value, members, others, float(binom.sf(members - 1, members + others, 0.5)))
