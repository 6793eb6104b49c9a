"""Which stages of a run use private records without a guarantee: all that do, since none adds noise."""

from upcycle.config import Config
from upcycle.dp import Ledger, Use


def run_ledger(config: Config) -> Ledger:
    """The ledger of a release by a run with these settings. No mechanism, no delta."""
    return Ledger(tuple(Use(what) for what in unproven(config)), 0.0)


def unproven(config: Config) -> tuple[str, ...]:
    """Every use of members or validation split, choices included, in the order of the road."""
    found = {
        "mirror images tried on the members (augment.flip)": config.augment.flip == "auto",
        "label cleaning (cleaning.folds)": config.cleaning.folds > 0,
        "the screen (screen.folds)": config.screen.folds > 0,
        "training of the teachers, and their looks at the validation split": True,
        "training of the generator": True,
        "shares of the classes (bank.prior)": config.bank.prior != 0,
        "choice among the generator's snapshots (gate, generator.gap_stop)": config.generator.snapshots > 1,
        "tuning on the validation split (tuning.strategy)": config.tuning.strategy != "none",
        "labels by the member that an image is most like (screen.crossed)": config.screen.crossed,
        "images kept by the members near them (support.share)": config.support.share > 0,
        "a border chosen on the validation split (border)": config.border == "chosen",
        "synthetic images left out as copies of members": config.release.synthetic_images > 0,
    }
    return tuple(what for what, on in found.items() if on)
