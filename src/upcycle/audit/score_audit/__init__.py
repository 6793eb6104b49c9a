"""The audit of scores that somebody hands over: one model, one pool of members and non-members."""

from upcycle.audit.score_audit._audit import audit_scores
from upcycle.audit.score_audit._read_scores import ScoresFile, read_scores
from upcycle.audit.score_audit._result import SCHEMA, SCHEMA_VERSION, AuditResult
from upcycle.audit.score_audit._selftest import Check, mean_release, selftest
from upcycle.audit.score_audit._targets import MIN_RECORDS, AttackScores, Target, TargetScores

__all__ = [
    "MIN_RECORDS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "AttackScores",
    "AuditResult",
    "Check",
    "ScoresFile",
    "Target",
    "TargetScores",
    "audit_scores",
    "mean_release",
    "read_scores",
    "selftest",
]
