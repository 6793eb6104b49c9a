"""From a model's answers to one number per record, higher for members. Every attack is a value in the CATALOGUE."""

from upcycle.audit.attacks._answered import Answered, Audited, blind_features
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.attacks._catalogue import CATALOGUE, named
from upcycle.audit.attacks._folds import cross_fit, fitting_folds, forward_fit, membership_folds
from upcycle.audit.attacks._generator_weights import (
    DENOISER_NORM,
    DISCRIMINATOR,
    INVERSION,
    T_ERROR,
    Inversion,
    denoiser_norm,
    discriminator_logit,
    latent_inversion,
    t_error,
)
from upcycle.audit.attacks._label_only import BOUNDARY
from upcycle.audit.attacks._learned import ESTIMATORS, LEARNED, POSTERIOR
from upcycle.audit.attacks._learned import NEIGHBOURS as LEAST_TO_LEARN
from upcycle.audit.attacks._released import NEAREST, NEIGHBOURS, PROBE, Released
from upcycle.audit.attacks._rmia import RMIA
from upcycle.audit.attacks._sets import SET_CARDS, SetDetection, patient_scores, set_detection
from upcycle.audit.attacks._shadow_set import ShadowSet, listed, twins
from upcycle.audit.attacks._signals import (
    Predict,
    RecordScore,
    are_probabilities,
    as_logits,
    attack_features,
    logit_problems,
    loss_signal,
)
from upcycle.audit.attacks._student_t import EXCESS, RATIO, calibrated, excess
from upcycle.audit.attacks._thresholds import LABELS, LOSS
