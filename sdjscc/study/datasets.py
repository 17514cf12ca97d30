"""The data sets of the study, by the folders they are found in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IMAGEWOOF", "STL10", "Dataset", "dataset_of"]


@dataclass(frozen=True)
class Dataset:
    """Photographs of ``<class>/<image>`` in two folders below the one that ``--data`` names."""

    name: str
    task: str
    """Classifier whose classes the folders are."""
    train: str
    test: str


STL10 = Dataset("STL-10", "stl10", "stl10/train", "stl10/test")
IMAGEWOOF = Dataset("Imagewoof (ten classes of ImageNet)", "imagenet", "imagewoof160/train", "imagewoof160/val")

_BY_TEST = {dataset.test: dataset for dataset in (STL10, IMAGEWOOF)}


def dataset_of(test: str) -> Dataset:
    """The data set whose test images are in the folder ``test``; raises `KeyError`."""
    return _BY_TEST[test]
