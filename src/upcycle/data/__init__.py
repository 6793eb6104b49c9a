from upcycle.data._imageset import Dataset, ImageSet  # noqa: F401
