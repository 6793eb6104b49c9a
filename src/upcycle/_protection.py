"""Settings of what is kept from teacher and generator."""

from pydantic import Field

from upcycle._section import Section


class CleaningConfig(Section):
    """Out-of-fold label cleaning of the members, before teacher and generator see them; the baseline keeps them all."""

    folds: int = Field(0, ge=0, le=20, description="classifiers that each judge the records they did not see; 0 = no cleaning")
    images: int = Field(30_000, ge=1, description="images each of them sees")
    threshold: float = Field(0.02, gt=0, lt=1, description="a label given less probability than this is left out ...")
    most: float = Field(0.1, gt=0, lt=1, description="... but at most this share of a class")


class ScreenConfig(Section):
    """Members kept from teacher and generator because a model that learned them would give them away; the baseline keeps all.

    Patients and near copies stay together in folds; labels are judged by classifiers that each miss one fold, images by their
    distance to the records of other folds.
    """

    folds: int = Field(0, ge=0, le=20, description="parts the members are cut into; 0 = no screen, else at least 2")
    rounds: int = Field(1, ge=1, le=20, description="times that folds are drawn; what their classifiers say is averaged")
    images: int = Field(30_000, ge=1, description="images seen by each of the classifiers that miss one fold")
    floor: float = Field(0.02, ge=0, lt=1, description="a label given less probability than this is left out ...")
    ratio: float = Field(0.3, ge=0, lt=1, description="... and one given less than this share of the likeliest class's ...")
    most: float = Field(0.1, ge=0, le=1, description="... but at most this share of a class ...")
    sure: float = Field(
        0.0,
        ge=0,
        le=1,
        description="... and none of a class of whose held-out records those classifiers are right about less than this share",
    )
    isolated: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of every class left out as the images farthest from all others; at most 0.02 of fewer than 60 "
        "records, none of fewer than 20",
    )
    keep: tuple[int, ...] = Field(
        (), description="records that are never left out: rows of the training split, as listed in private/screen/left_out.csv"
    )
    relabel: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of what a teacher learns as a record's label that is the probabilities of the classifiers that did "
        "not see the record, in place of the given label",
    )
    apart: bool = Field(
        False, description="teacher k learns without fold k, from the weights of that fold's classifier; needs teachers = folds"
    )
    crossed: bool = Field(
        False,
        description="every image is labelled only by the teacher that never saw the fold of the member it is most like; needs "
        "apart",
    )


class SupportConfig(Section):
    """Images that no single record can have shaped: by a generator that sees no record too often, or by one for every fold of
    the screen, trained without it. Of the latter an image is kept where records that its generator never saw lie as near as
    held-out records do, and the teachers agree."""

    passes: float = Field(
        0.0,
        ge=0,
        description="times that the generator sees a member, on average, at most: generator.images is cut to as many; 0 = no "
        "limit. What it remembers of single records grows with these times",
    )
    share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="keep an image that lies as near to records its generator never saw as this share of held-out records; "
        "0 = one generator that sees all folds",
    )
    agree: float = Field(
        0.5, ge=0, le=1, description="keep an image for which the teachers' smallest probabilities sum to at least this"
    )
