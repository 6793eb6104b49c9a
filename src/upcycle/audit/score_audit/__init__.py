"""The audit of scores that somebody hands over: one model, one pool of members and non-members."""

from upcycle.audit.score_audit._audit import audit_scores
from upcycle.audit.score_audit._read_scores import ScoresFile, read_scores
from upcycle.audit.score_audit._result import SCHEMA, SCHEMA_VERSION, AuditResult
from upcycle.audit.score_audit._selftest import Check, mean_release, selftest
from upcycle.audit.score_audit._targets import MIN_RECORDS, AttackScores, Target, TargetScores
