"""ImageNet's 1000 classes: EfficientNet-Lite0 as it was trained, at 224x224."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sdjscc.tasks.efficientnet import EfficientNetClassifier, load_lite0
from sdjscc.tasks.efficientnet_file import LITE0_SHA256

__all__ = ["ImageNetClassifier", "imagenet_classes"]


def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """WordNet id and name of each class, such as ``("n02123045", "tabby")``, in the order of the logits."""
    text = (resources.files("sdjscc.tasks") / "imagenet_classes.tsv").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in text.splitlines())
    return tuple((wnid, name) for wnid, name in pairs)


class ImageNetClassifier(EfficientNetClassifier):
    """EfficientNet-Lite0 with its own head. Names are unique: "crane (bird)" and "crane (machine)"."""

    name = "imagenet"

    def __init__(self) -> None:
        classes = imagenet_classes()
        super().__init__(*load_lite0(input_size=224), class_names=tuple(name for _, name in classes))
        self.ranges_file = Path(str(resources.files("sdjscc.tasks") / "imagenet.int8.json"))
        self.weights_sha256 = LITE0_SHA256
        self._index_of_wnid = {wnid: index for index, (wnid, _) in enumerate(classes)}

    def class_index(self, label: str) -> int:
        """Index of a class by its name or its WordNet id (as ImageNet's folders are called). Raises `UnknownName`."""
        index = self._index_of_wnid.get(label)
        return super().class_index(label) if index is None else index
