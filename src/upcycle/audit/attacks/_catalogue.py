"""Every attack there is, in the order in which it is run and listed."""

from collections.abc import Sequence
from typing import Final

from upcycle.audit.attacks._attack import Attack
from upcycle.audit.attacks._generator_weights import DENOISER_NORM, DISCRIMINATOR, INVERSION, T_ERROR
from upcycle.audit.attacks._heads import HEADS
from upcycle.audit.attacks._label_only import BOUNDARY
from upcycle.audit.attacks._learned import LEARNED
from upcycle.audit.attacks._lira import DIFFICULTY, LIRA, LIRA_DENSITY, LIRA_ONE_SIDED
from upcycle.audit.attacks._quantile import QUANTILE
from upcycle.audit.attacks._released import DENSITY, LABEL_MASS, NEAREST, NEIGHBOURS, PROBE
from upcycle.audit.attacks._rmia import RMIA, RMIA_OFFLINE
from upcycle.audit.attacks._student_t import EXCESS, RATIO
from upcycle.audit.attacks._thresholds import GAP, LABELS, LOSS

CATALOGUE: Final[tuple[Attack, ...]] = (
    LOSS,
    RATIO,
    EXCESS,
    LABELS,
    LIRA,
    RMIA,
    LIRA_DENSITY,
    LIRA_ONE_SIDED,
    RMIA_OFFLINE,
    DIFFICULTY,
    GAP,
    *LEARNED,
    QUANTILE,
    HEADS,
    NEIGHBOURS,
    NEAREST,
    DENSITY,
    LABEL_MASS,
    PROBE,
    BOUNDARY,
    DENOISER_NORM,
    T_ERROR,
    DISCRIMINATOR,
    INVERSION,
)


def named(name: str, catalogue: Sequence[Attack] = CATALOGUE) -> Attack | None:
    """The attack of this name."""
    return next((attack for attack in catalogue if attack.name == name), None)
