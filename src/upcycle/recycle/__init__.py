"""The method itself: teacher, labels, bank and student."""

from upcycle.recycle._bank import Bank, Sampler, bank_size, label_prior
from upcycle.recycle._classify import Fitted, Recipe, accuracy, train_classifier
from upcycle.recycle._flips import FlipTrial, choose_augmentation, try_flips
from upcycle.recycle._labels import AskedLabels, Labeller, TeacherLabels
from upcycle.recycle._optimiser import image_budget
from upcycle.recycle._student import Distillation, soft_cross_entropy, train_student

__all__ = [
    "AskedLabels",
    "Bank",
    "Distillation",
    "Fitted",
    "FlipTrial",
    "Labeller",
    "Recipe",
    "Sampler",
    "TeacherLabels",
    "accuracy",
    "bank_size",
    "choose_augmentation",
    "image_budget",
    "label_prior",
    "soft_cross_entropy",
    "train_classifier",
    "train_student",
    "try_flips",
]
