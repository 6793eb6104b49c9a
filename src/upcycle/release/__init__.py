"""What leaves the building: the gate, the student in three forms, the synthetic set, the cards, and the way back in."""

from upcycle._checksums import REMAKE, SUMS, check_sums, write_checksums
from upcycle.release._budget import Budget
from upcycle.release._exports import Comparison
from upcycle.release._gate import Permit, permit, refusal
from upcycle.release._material import FORMATS, PRIORS, Format, Material, Prior, ReleaseOptions
from upcycle.release._program import load_program
from upcycle.release._student import RESIDUAL, Predictions, Student, load_student, probabilities
from upcycle.release._synthetic import image_hash, write_synthetic
from upcycle.release._verify import WRONG_EXIT, Finding, Verification, verify_release
from upcycle.release._write import DOSSIER, Released, recover, replace_files, withhold, write_release

__all__ = [
    "DOSSIER",
    "FORMATS",
    "PRIORS",
    "REMAKE",
    "RESIDUAL",
    "SUMS",
    "WRONG_EXIT",
    "Budget",
    "Comparison",
    "Finding",
    "Format",
    "Material",
    "Permit",
    "Predictions",
    "Prior",
    "ReleaseOptions",
    "Released",
    "Student",
    "Verification",
    "check_sums",
    "image_hash",
    "load_program",
    "load_student",
    "permit",
    "probabilities",
    "recover",
    "refusal",
    "replace_files",
    "verify_release",
    "withhold",
    "write_checksums",
    "write_release",
    "write_synthetic",
]
