"""Do synthetic images lie too near private ones? Copies, memorisation, and the gate that snapshots must pass."""

from upcycle.audit.copies._copies import CopyReport, find_copies
from upcycle.audit.copies._gate import Gate, GateReport, judge_snapshots, passing
from upcycle.audit.copies._histogram import COMPARED, DistanceHistogram, distance_histogram
from upcycle.audit.copies._memorisation import Memorisation, memorisation
from upcycle.audit.copies._nearest import near_copies, nearest, nearest_two
