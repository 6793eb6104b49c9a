"""The audit stage: attacks on what the run trained, with members and non-members of one pool."""

from __future__ import annotations

import numpy as np

from upcycle.audit import TargetScores, audit_scores, check_audit
from upcycle.data import ImageSet, Store
from upcycle.runs.folder import write_json
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._evaluation import JUDGED, _logits


def audit_stage(bench: Bench, store: Store) -> Facts:
    """Attack student, baseline and teacher with members and non-members of the same coin flip."""
    data, members, records = audit_records(store, bench.config.seed)
    targets = {name: TargetScores(_logits(bench, name, data), data.labels, members, data.groups) for name in JUDGED}
    audit = bench.config.audit
    result = audit_scores(targets, folds=audit.folds, confidence=audit.confidence, seed=bench.config.seed, images=data.images)
    folder = bench.folder.stage("audit")
    arrays = {"records": records, "members": members, **result.scores_arrays()}
    np.savez_compressed(folder / "scores.npz", **arrays)  # type: ignore[arg-type]
    document = result.to_json()
    check_audit(document)
    write_json(folder / "audit.json", document)
    return {"verdict": result.verdict, "line": str(result)}


def audit_records(store: Store, seed: int) -> tuple[ImageSet, np.ndarray, np.ndarray]:
    """All non-members and as many members, drawn at random: images, membership (n,) bool and row numbers in their half."""
    from upcycle._random import numpy_rng

    outside, inside = store.non_members(), store.members()
    count = min(len(outside), len(inside))
    chosen = np.sort(numpy_rng(seed, "audit-members").permutation(len(inside))[:count])
    members = inside.take(chosen)
    groups = None if outside.groups is None or members.groups is None else np.concatenate([members.groups, outside.groups])
    both = ImageSet(np.concatenate([members.images, outside.images]), np.concatenate([members.labels, outside.labels]), groups)
    flags = np.arange(len(both)) < count
    return both, flags, np.concatenate([chosen, np.arange(len(outside))])
