"""The audit of scores that somebody hands over: one model, one pool of members and non-members."""

from upcycle.audit.score_audit._audit import audit_scores
from upcycle.audit.score_audit._result import SCHEMA, SCHEMA_VERSION
from upcycle.audit.score_audit._selftest import mean_release, selftest
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores

__all__ = [
    "AttackScores",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Target",
    "TargetScores",
    "audit_scores",
    "mean_release",
    "selftest",
]
