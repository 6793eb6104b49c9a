"""The method itself: teacher, labels, bank and student."""

from upcycle.recycle._bank import Bank, Sampler, bank_size, label_prior
from upcycle.recycle._classify import Fitted, Lesson, Recipe, accuracy, image_budget, rate, train_classifier
from upcycle.recycle._cleaning import OutOfFold, believed, fold_of, out_of_fold, second_opinion
from upcycle.recycle._crossed import CrossedLabels, Origin
from upcycle.recycle._flips import FlipTrial, choose_augmentation, try_flips
from upcycle.recycle._labels import AskedLabels, CommitteeLabels, HardLabels, Labeller, TeacherLabels
from upcycle.recycle._remember import can_remember, images_to_remember, train_to_remember
from upcycle.recycle._screen import PixelSpace, Screened, check_screen, draw_folds, screen, share_right, unit_of
from upcycle.recycle._student import Distillation, blend, smooth, soft_cross_entropy, train_student
from upcycle.recycle._support import Support, SupportFilter, TeacherDoubt, TeacherFilter
from upcycle.recycle._tuning import (
    Candidate,
    Choice,
    Proxy,
    Score,
    Search,
    Trial,
    TrialMemory,
    candidates,
    greedy,
    halving,
    proxy_draws,
    score_on,
    search,
)

__all__ = [
    "AskedLabels",
    "Bank",
    "Candidate",
    "Choice",
    "CommitteeLabels",
    "CrossedLabels",
    "Distillation",
    "Fitted",
    "FlipTrial",
    "HardLabels",
    "Labeller",
    "Lesson",
    "Origin",
    "OutOfFold",
    "PixelSpace",
    "Proxy",
    "Recipe",
    "Sampler",
    "Score",
    "Screened",
    "Search",
    "Support",
    "SupportFilter",
    "TeacherDoubt",
    "TeacherFilter",
    "TeacherLabels",
    "Trial",
    "TrialMemory",
    "accuracy",
    "bank_size",
    "believed",
    "blend",
    "can_remember",
    "candidates",
    "check_screen",
    "choose_augmentation",
    "draw_folds",
    "fold_of",
    "greedy",
    "halving",
    "image_budget",
    "images_to_remember",
    "label_prior",
    "out_of_fold",
    "proxy_draws",
    "rate",
    "score_on",
    "screen",
    "search",
    "second_opinion",
    "share_right",
    "smooth",
    "soft_cross_entropy",
    "train_classifier",
    "train_student",
    "train_to_remember",
    "try_flips",
    "unit_of",
]
