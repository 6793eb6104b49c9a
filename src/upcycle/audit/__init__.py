"""How much a model gives away about who was in its training set: what a user of the audits needs.

Each room inside has more: `statistics`, `attacks`, `copies`, `pipelines`, `verdict`, `score_audit`, `pipeline_audit` and
`documents`.
"""

from upcycle.audit.attacks import CATALOGUE, Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.copies import CopyReport, Memorisation, find_copies, memorisation
from upcycle.audit.documents import (
    audit_schema,
    check_audit,
    check_pipeline_audit,
    check_released_audit,
    merge_audits,
    pipeline_schema,
    released_schema,
)
from upcycle.audit.pipeline_audit import Forecast, PipelineAudit, audit, forecast_pipelines, forecast_run
from upcycle.audit.pipelines import (
    BUDGETS,
    AuditPlan,
    CanaryCounts,
    Parts,
    Pipeline,
    PrivateModel,
    from_sklearn,
    from_torch,
    plan_for,
)
from upcycle.audit.score_audit import (
    AttackScores,
    AuditResult,
    ScoresFile,
    TargetScores,
    audit_scores,
    read_scores,
    selftest,
)
from upcycle.audit.statistics import NotResolvable, Rate, Scores, power_table
from upcycle.audit.verdict import Control, Endpoint, Row, Rule, Verdict
from upcycle.errors import AuditInputError

__all__ = [
    "BUDGETS",
    "CATALOGUE",
    "Attack",
    "AttackCard",
    "AttackScores",
    "AuditInputError",
    "AuditPlan",
    "AuditResult",
    "CanaryCounts",
    "Control",
    "CopyReport",
    "Endpoint",
    "Forecast",
    "Memorisation",
    "Needs",
    "NotResolvable",
    "Parts",
    "Pipeline",
    "PipelineAudit",
    "PrivateModel",
    "Rate",
    "Row",
    "Rule",
    "Scores",
    "ScoresFile",
    "TargetScores",
    "ThreatModel",
    "Verdict",
    "audit",
    "audit_schema",
    "audit_scores",
    "check_audit",
    "check_pipeline_audit",
    "check_released_audit",
    "find_copies",
    "forecast_pipelines",
    "forecast_run",
    "from_sklearn",
    "from_torch",
    "memorisation",
    "merge_audits",
    "pipeline_schema",
    "plan_for",
    "power_table",
    "read_scores",
    "released_schema",
    "selftest",
]
