"""Attacks on a ShadowSet that an audit may plan, by name."""

from __future__ import annotations

from functools import partial

from upcycle.audit import _plan as names
from upcycle.audit._difficulty import difficulty_calibrated
from upcycle.audit._lira import lira_offline_density, lira_offline_one_sided, lira_online
from upcycle.audit._rmia import rmia
from upcycle.audit._streams import ShadowAttack


def shadow_attacks() -> dict[str, ShadowAttack]:
    """(answers of all pipelines, target) -> scores (records,), by the name that a plan uses. The shrunk Student-t ratio is
    not among them: its statistics are computed once for all targets."""
    return {
        names.LIRA: lira_online,
        names.RMIA: rmia,
        names.LIRA_DENSITY: lira_offline_density,
        names.LIRA_ONE_SIDED: lira_offline_one_sided,
        names.RMIA_OFFLINE: partial(rmia, form="offline"),
        names.DIFFICULTY: difficulty_calibrated,
    }
