"""What has a proven epsilon: classifiers by DP-SGD and in closed form, and a formal student; the ledger of a release."""

from upcycle.dp._account import Use, affordable_steps, composed, epsilon, need_extra
from upcycle.dp._formal import FormalSettings, formal_ledger, labels_epsilon, train_formal
from upcycle.dp._generator import DenoiserSettings
from upcycle.dp._head import exact_noise, train_head
from upcycle.dp._ledger import Ledger
from upcycle.dp._train import DpSettings, PrivateFit, steps_of, train_private
