"""A run folder as a small database: paths, lock, stages done, resources, facts read back, what is public."""

from upcycle.runs.folder._by_class import GAP_LABELS, ByClass, by_class
from upcycle.runs.folder._comparison import Comparison, Pair, compare_runs
from upcycle.runs.folder._facts import Leak, Measured, RunFacts, audit_of, check_release, read_run, stage_records
from upcycle.runs.folder._folder import (
    FREE_SETTINGS,
    RunFolder,
    check_no_links,
    check_run,
    environment,
    make_folders,
    read_config,
    write_sealed_config,
)
from upcycle.runs.folder._lock import only_one
from upcycle.runs.folder._merged import PIPELINES, PIPELINES_MANIFEST, led, pipeline_facts, public_facts
from upcycle.runs.folder._resources import check_audit_size, check_disk, check_memory
from upcycle.runs.folder._stages import (
    MANIFEST,
    RELEASE_OPTIONS,
    StageRecord,
    content_key,
    finished_record,
    read_record,
    run_stage,
)
