"""Kinds of hostile small files: how each is made, and which loader reads it."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.reliability._hostile_arrays import ARRAYS
from benchmarks.reliability._hostile_kind import Kind
from benchmarks.reliability._hostile_pictures import PICTURES
from benchmarks.reliability._hostile_programs import PROGRAMS
from benchmarks.reliability._hostile_scans import SCANS
from benchmarks.reliability._hostile_sets import SETS
from benchmarks.reliability._hostile_tables import TABLES

KINDS: Mapping[str, Kind] = PROGRAMS | TABLES | SETS | ARRAYS | SCANS | PICTURES
