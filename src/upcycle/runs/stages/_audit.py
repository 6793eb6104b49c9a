"""The audit stage: attacks on what the run trained, with members and non-members of one pool."""

import hashlib

import numpy as np

from upcycle._files import sha256, write_arrays, write_json
from upcycle._random import numpy_rng
from upcycle._settings import bound_text
from upcycle.audit import TargetScores, audit_scores, check_audit
from upcycle.config import Config
from upcycle.data import ImageSet, Store
from upcycle.generators import Snapshot
from upcycle.runs.folder import FREE_SETTINGS
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._evaluation import JUDGED, _logits
from upcycle.runs.stages._training import CONTROL


def audit_stage(bench: Bench, store: Store) -> Facts:
    """Attack student, baseline, teacher and positive control with members and non-members of the same coin flip."""
    data, members, records = audit_records(store, bench.config.seed)
    answers = {name: _logits(bench, name, data) for name in JUDGED} | {"positive control": _logits(bench, CONTROL, data)}
    targets = {name: TargetScores(logits, data.labels, members, data.groups) for name, logits in answers.items()}
    audit = bench.config.audit
    result = audit_scores(targets, folds=audit.folds, confidence=audit.confidence, seed=bench.config.seed, images=data.images)
    bench.folder.stage("audit")
    write_arrays(bench.folder.scores, {"records": records, "members": members, **result.scores_arrays()})
    document = result.to_json()
    check_audit(document)
    write_json(bench.folder.document("audit", "audit"), document)
    return {"verdict": result.verdict, "line": str(result), "judged": judged_files(bench)}


def judged_files(bench: Bench) -> dict[str, str]:
    """The SHA-256 of what an audit judges: weights of every target, the snapshot that synthetic images are drawn from, and the
    settings, tuned ones included."""
    tuned = bench.tuned()
    snapshot = tuned.sampler().snapshot
    weights = {name: sha256(bench.folder.weights(name)) for name in JUDGED}
    drawn = {} if snapshot is None else {"generator": _hash_of(bench, snapshot)}
    return {**weights, **drawn, "settings": hashlib.sha256(_bound(tuned.config).encode()).hexdigest()}


def _hash_of(bench: Bench, snapshot: Snapshot) -> str:
    """Of the snapshot's file; a generator of the user's own that keeps none is known by what it draws."""
    if snapshot.path.is_file():
        return sha256(snapshot.path)
    drawn = bench.sampler().generator.sample(np.arange(bench.shape.classes), seed=bench.config.seed, snapshot=snapshot)
    return hashlib.sha256(np.ascontiguousarray(drawn).data).hexdigest()


def _bound(config: Config) -> str:
    """The settings, those that may change between two calls at their defaults; without the budget of a release, which changes
    nothing of what was judged and which audits from before it do not have."""
    return bound_text(config.model_copy(update={name: getattr(Config(), name) for name in FREE_SETTINGS}), "gate")


def compared_members(store: Store, seed: int) -> np.ndarray:
    """Rows of the members that the audit compares with the non-members, as many as those where there are as many; sorted."""
    inside, outside = map(len, store.train_rows())
    return np.sort(numpy_rng(seed, "audit-members").permutation(inside)[: min(outside, inside)])


def audit_records(store: Store, seed: int) -> tuple[ImageSet, np.ndarray, np.ndarray]:
    """All non-members and as many members, drawn at random: images, membership (n,) bool and row numbers in their half."""
    (inside, outside), chosen = store.train_rows(), compared_members(store, seed)
    both = store.train_part(np.concatenate([inside[chosen], outside]))
    return both, np.arange(len(both)) < len(chosen), np.concatenate([chosen, np.arange(len(outside))])
