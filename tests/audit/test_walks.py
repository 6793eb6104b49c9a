"""The walks of docs/design.md: through which rooms a score array and a canary pass."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from types import FrameType

import numpy as np

import upcycle
from tests.test_house_style import MAY_IMPORT
from upcycle.audit import AttackScores, audit_scores

PACKAGE = Path(upcycle.__file__).parent
CANARY = ["audit.pipelines", "audit.pipeline_audit", "audit.documents", "report"]


def room(frame: FrameType) -> str | None:
    path = Path(frame.f_code.co_filename)
    if path.name == "_arguments.py":  # looks at types at the door and passes on
        return None
    return ".".join(path.parent.relative_to(PACKAGE).parts) if path.is_relative_to(PACKAGE) else None


def rooms_walked(frame: FrameType | None) -> list[str]:
    """Rooms from the outermost call of the package to `frame`, each named once while it lasts."""
    found = []
    while frame is not None:
        found.append(room(frame))
        frame = frame.f_back
    return [name for name, _ in groupby(name for name in reversed(found) if name is not None)]


def test_a_score_array_changes_rooms_at_most_four_times_between_the_door_and_the_verdict() -> None:
    walks: set[tuple[str, ...]] = set()

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and room(frame) is not None:
            walks.add(tuple(rooms_walked(frame)))

    members, rng = np.arange(120) < 60, np.random.default_rng(0)
    targets = {
        name: AttackScores({"attack": rng.normal(size=120) + k * members}, members)
        for k, name in enumerate(("student", "teacher"))
    }
    sys.setprofile(seen)
    try:
        audit_scores(targets)
    finally:
        sys.setprofile(None)
    assert {walk[0] for walk in walks} == {"audit.score_audit"}
    assert {"audit.verdict", "audit.statistics"} <= {walk[-1] for walk in walks}
    assert not [walk for walk in walks if len(walk) - 1 > 4]


def test_a_canary_goes_from_its_making_to_the_report_and_never_back() -> None:
    for k, earlier in enumerate(CANARY):
        assert not MAY_IMPORT[earlier] & set(CANARY[k + 1 :])
