"""The private list of the records that a student of this recipe reveals most, for those who may see them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np

from upcycle.audit import PipelineAudit
from upcycle.data import ImageSet, Store

AT_RISK: Final = "at_risk.csv"  # in private/audit, never in a release


_COLUMNS: Final = ("train_row", "class", "group", "used_by_the_run", "risk", "risk_low", "risk_high")


def write_at_risk(path: Path, found: PipelineAudit, pool: ImageSet, store: Store) -> None:
    """Write the 50 records of `pool`, the members of `store` and then its non-members, at highest risk, the surest first.

    `train_row` counts from 0 in the training split as it was read; `group` is the patient's number, empty without groups;
    `used_by_the_run`: 1 if teacher and generator were given the record, 0 if it was kept for the audit. `risk`: mean posterior
    probability that the record was used, over the shadow pipelines that did use it, with limits; 0.5 is luck. No file, and
    none of before, where the audit had too few pipelines to tell.
    """
    path.unlink(missing_ok=True)
    if found.risk is None:
        return
    members, others = store.train_rows()
    rows, risk, of_row = np.concatenate([members, others]), found.risk.risk, found.risk.rows
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for record in found.risk.top():
            at = int(np.searchsorted(of_row, record))
            who = ["" if pool.groups is None else int(pool.groups[record]), int(record < len(members))]
            figures = [f"{values[at]:.4f}" for values in (risk.value, risk.low, risk.high)]
            writer.writerow([int(rows[record]), store.meta.class_names[pool.labels[record]], *who, *figures])
