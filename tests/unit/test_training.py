"""The training program on photographs made on the spot: it learns, resumes to the same result, and stops in time."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from sdjscc.cli.train import command
from sdjscc.codecs import Codec
from sdjscc.codecs.card import read_card
from sdjscc.codecs.jscc.network import Architecture
from sdjscc.data.folder import scan
from sdjscc.errors import InvalidRequest
from sdjscc.evaluation import Point
from sdjscc.training.config import TrainConfig, load_config, shipped_configs
from sdjscc.training.precision import fast_precision
from sdjscc.training.publish import publish
from sdjscc.training.trainer import Trainer

ARCHITECTURE = Architecture(latent_channels=8, width=16, encoder_blocks=(0, 1), decoder_blocks=(1, 0, 0))
CONFIG = TrainConfig(
    codec="test",
    architecture=ARCHITECTURE,
    crop=32,
    batch=8,
    steps=6,
    learning_rate=1e-3,
    warmup=2,
    validate_every=3,
    validation_fraction=0.25,
    precision="no",
)

TINY = """
codec = "test"
steps = 4
learning_rate = 1e-3
crop = 32
batch = 2
precision = "no"
[architecture]
latent_channels = 8
width = 16
encoder_blocks = [0, 0]
decoder_blocks = [0, 0, 0]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of eight crops each."""
    root = tmp_path_factory.mktemp("data")
    for name in ("cat", "coffee"):
        (root / name).mkdir()
        pixels = getattr(skimage.data, name)()
        for i in range(8):
            Image.fromarray(pixels[20 * i : 20 * i + 48, 30 * i : 30 * i + 40]).save(root / name / f"{i}.png")
    return root


def train(data: Path, out: Path, config: TrainConfig = CONFIG, budget_s: float = 1e9) -> Trainer:
    trainer = Trainer(config, scan(data), out, device="cpu")
    trainer.resume()
    trainer.fit(budget_s)
    return trainer


def test_a_stopped_run_resumes_to_the_result_of_an_unbroken_one(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "unbroken")
    steps = []
    for _ in range(20):
        trainer = train(data, tmp_path / "stopped", budget_s=0.0)
        steps.append(trainer.status.step)
        if trainer.status.step == CONFIG.steps:
            break
    assert steps == [1, 2, 3, 4, 5, 6]
    expected, resumed = (load_file(tmp_path / name / "best.safetensors") for name in ("unbroken", "stopped"))
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_it_learns(data: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 120, "validate_every": 60, "learning_rate": 3e-3, "snr_db": (10, 10)})
    trainer = train(data, tmp_path, config)
    # A grey image has about 12 dB here.
    assert trainer.status.validation["psnr_db@20"] > 14


@pytest.mark.parametrize(("capability", "precision"), [("AVX512", "bf16"), ("AVX2", "no"), ("DEFAULT", "no")])
def test_bfloat16_is_used_where_the_processor_is_fast_in_it(
    monkeypatch: pytest.MonkeyPatch, capability: str, precision: str
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert fast_precision("cpu") == precision


def test_overfitting_shows(data: Path, tmp_path: Path) -> None:
    """Accuracy is also measured on images that were trained on, and has no say in what is best."""
    named = tmp_path / "data"
    for folder, name in (("cat", "cat"), ("coffee", "ship")):
        shutil.copytree(data / folder, named / name)
    trainer = train(named, tmp_path / "run", CONFIG.model_copy(update={"steps": 3, "validation_task": "stl10"}))
    validation = trainer.status.validation
    assert {"seen_accuracy@5", "seen_psnr_db@5", "accuracy@5"} <= validation.keys()
    assert "seen_accuracy@10" not in validation
    assert set(trainer.seen_images.paths) <= set(trainer.training_images.paths)
    assert trainer.status.best_score == pytest.approx(np.mean([validation[f"accuracy@{s}"] for s in (0, 5, 10, 20)]))


def test_a_folder_of_another_run_is_refused(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path, budget_s=0.0)
    other = Trainer(CONFIG.model_copy(update={"seed": 1}), scan(data), tmp_path, device="cpu")
    with pytest.raises(InvalidRequest, match="another configuration"):
        other.resume()


def test_validation_images_are_not_trained_on(data: Path, tmp_path: Path) -> None:
    trainer = Trainer(CONFIG, scan(data), tmp_path, device="cpu")
    training, validation = set(trainer.training_images.paths), set(trainer.validation_images.paths)
    assert len(training) == 12
    assert len(validation) == 4
    assert not training & validation


def test_further_images_are_trained_on_and_never_validated_on(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    (more / "dog").mkdir(parents=True)
    Image.fromarray(skimage.data.cat()[:40, :40]).save(more / "dog" / "a.png")
    trainer = Trainer(CONFIG, scan(data), tmp_path / "run", more=[scan(more)], device="cpu")
    assert more / "dog" / "a.png" in trainer.training_images.paths
    assert len(trainer.training_images) == 13
    assert trainer.training_images.class_names == ("cat", "coffee", "dog")
    assert [trainer.training_images.class_names[label] for label in trainer.training_images.labels[-2:]] == [
        "coffee",
        "dog",
    ]
    assert all(path.is_relative_to(data) for path in trainer.validation_images.paths)


def test_a_run_is_published_with_what_was_measured(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "run", CONFIG.model_copy(update={"steps": 3}))
    folder, codecs = tmp_path / "weights", []

    def measure(codec: Codec) -> list[Point]:
        codecs.append(codec)
        right = np.array([True, False])
        return [Point("test", 0.125, 5.0, 2, 0.5, 0.98, 0.5, 20.12345, 0.1, 0.6, 0.01, 0.0625, right)]

    card = publish(tmp_path / "run", folder, measure, data_name="cups", task="stl10", measured_by=lambda _: "hand")
    assert card == read_card(folder / "test-0.125bpp.json")
    assert card.training["images"] == 12
    assert card.training["data"] == f"{data.parent.name}/{data.name}"
    assert (card.figures[0].psnr_db, card.figures[0].data, card.measured_by) == (20.123, "cups", "hand")
    weights = folder / "test-0.125bpp.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == card.weights_sha256 == codecs[0].weights_sha256
    with pytest.raises(InvalidRequest, match="holds no validated training run"):
        publish(tmp_path, folder, measure, data_name="", task="", measured_by=lambda _: "")


def test_shipped_configurations_are_valid() -> None:
    assert "deep-jscc-0.25bpp" in shipped_configs()
    for name in shipped_configs():
        assert load_config(name).architecture.bpp == float(name.split("-")[-1].removesuffix("bpp"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps = ", "not valid TOML"),
        ('codec = "x"\nsteps = 5\nlearning_rate = 1\n', "architecture: Field required"),
        ('codec = "x"\nsteps = 5\nlearning_rate = 1\nspeed = 3\n[architecture]\nlatent_channels=8', "speed"),
        ('codec = "x"\nsteps = 5\nlearning_rate = 1\nsnr_db = [9, 1]\n[architecture]\nlatent_channels=8', "lowest"),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(InvalidRequest, match=sentence):
        load_config(str(tmp_path / "c.toml"))


def test_images_smaller_than_the_crop_are_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"smaller than the crop"):
        train(data, tmp_path, CONFIG.model_copy(update={"crop": 64}))


def test_the_command_trains_within_a_budget(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    arguments = [str(config), "--data", str(data), "--out", str(tmp_path / "run"), "--device", "cpu"]
    stopped = CliRunner().invoke(command, [*arguments, "--budget", "0s"], catch_exceptions=False)
    assert "stopped at step 1" in stopped.output
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "resuming" in done.output
    assert "done" in done.output
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert any((tmp_path / "run" / "curves").iterdir())


def test_batches_depend_on_seed_and_step_alone(data: Path) -> None:
    from sdjscc.training.batches import training_batches

    images = scan(data)
    whole = list(training_batches(images, crop=16, batch=4, start=0, stop=5, seed=1, process=0))
    rest = list(training_batches(images, crop=16, batch=4, start=3, stop=5, seed=1, process=0))
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    other = next(iter(training_batches(images, crop=16, batch=4, start=0, stop=1, seed=1, process=1)))
    assert not torch.equal(whole[0], other)
    assert whole[0].shape == (4, 3, 16, 16)
    assert 0 <= whole[0].min() < whole[0].max() <= 1
    assert np.isclose(whole[0] * 255, (whole[0] * 255).round(), atol=1e-4).all()


def test_two_processes_train_together(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    arguments = ["sdjscc.cli", "train", str(config), "--data", str(data), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, *arguments, "--device", "cpu"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done; next") == 1
    assert (tmp_path / "run" / "last" / "random_states_1.pkl").is_file()
