"""The stages of the road, one file each, and the bench that they share."""

from upcycle.runs.stages._audit import audit_records, audit_stage, compared_members
from upcycle.runs.stages._bench import Bench, Facts, load_classifier, teacher_names
from upcycle.runs.stages._copies import copies_stage
from upcycle.runs.stages._distilled import distilled
from upcycle.runs.stages._evaluation import evaluation_stage, headline
from upcycle.runs.stages._gate import groups_of, judged
from upcycle.runs.stages._networks import Networks, Own, check_own_absent, networks_of, own_parts, student_config
from upcycle.runs.stages._plan import (
    Budget,
    Plan,
    Rates,
    budget_for,
    disk_bytes,
    generator_images,
    make_plan,
    memory_bytes,
    probe_images,
    scale_for,
    stage_seconds,
)
from upcycle.runs.stages._prepare import prepare, stage_key
from upcycle.runs.stages._release import mend_release, release_run, release_stage, shareable_report, soft_labels_of
from upcycle.runs.stages._report import energy_used, report_pages, report_stage
from upcycle.runs.stages._road import JUDGING, Stage, training_road
from upcycle.runs.stages._screening import LEFT_OUT, check_screen_settings, check_screening, learned
from upcycle.runs.stages._training import CONTROL, control_stage, plain_bench
from upcycle.runs.stages._tuning import SamplerJudge, choices_of
from upcycle.runs.stages._unproven import run_ledger
