"""Run folders, stages and the whole road from private images to an audited student."""

from upcycle.runs._pipeline import UNTIL, Summary, run, run_dataset

__all__ = ["UNTIL", "Summary", "run", "run_dataset"]
