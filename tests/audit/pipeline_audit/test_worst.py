"""The worst record of an audit: seen where one is known by heart, by patient where there are patients, and not a row of few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.audit.pipeline_audit.test_at_risk import SMALL, Fickle
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit import audit, check_pipeline_audit

FITTED = replace(SMALL, canaries=None)


def test_records_known_by_heart_are_seen_and_nothing_else_is() -> None:
    known = {w.target: w for w in audit(Fickle(20), pool(600), SMALL).worst}["student"]
    assert (known.pairs, known.counted_in, known.high) == (4, "records", 1.0)
    plain = audit(Memory(0.0, 4), pool(600), SMALL)
    found = {w.target: w for w in plain.worst}
    assert found["student"].high == found["student"].high_by_luck == 1.0  # four pairs can say nothing of 600 records
    assert found["student"].low < 0.5
    check_pipeline_audit(plain.to_json())
    assert plain.to_json(public=True)["worst"][0]["pairs"] == 4


def test_patients_are_what_is_compared() -> None:
    data = pool(400, 4, groups=np.arange(400) // 10)
    found = audit(Memory(8.0, 4), data, FITTED).worst
    assert {(w.counted_in, w.records) for w in found} <= {("patients", n) for n in range(10, 41)}
    assert found[0].value == 1.0


def test_few_patients_make_no_row() -> None:
    assert audit(Memory(0.0, 4), pool(160, 4, groups=np.arange(160) // 20), FITTED).worst == ()
