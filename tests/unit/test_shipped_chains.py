"""Separation chains by name and rate, in the registry beside the learned codecs, with and without their extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from sdjscc.channels import QAM16
from sdjscc.codecs import CodecRegistry
from sdjscc.codecs.separation import SeparationCodec, shipped
from sdjscc.codecs.separation.mean_image import mean_of_folder
from sdjscc.errors import InvalidRequest, MissingDependency, UnknownName
from sdjscc.training.start import warm_start

NAMES = ("jpeg+ldpc", "jpeg-agreed+ldpc", "webp+ldpc", "webp-agreed+ldpc", "hevc+ldpc", "hevc-agreed+ldpc")
RATES = (0.125, 0.25, 0.5)


@pytest.fixture(autouse=True)
def _no_bpg_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "bpg_tools_on_path", lambda: False)


@pytest.fixture
def _without_sionna(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sionna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sionna", None)


def test_every_name_and_rate_is_a_codec_of_that_name_and_rate() -> None:
    registry = CodecRegistry.with_all_loaded()
    chains = [entry for entry in registry.entries if entry.card is None]
    assert [(entry.name, entry.bpp) for entry in chains] == [(name, bpp) for name in NAMES for bpp in RATES]
    for entry in chains:
        codec = registry.load(entry.name, entry.bpp)
        assert isinstance(codec, SeparationCodec)
        assert (codec.name, codec.bpp, codec.weights_sha256) == (entry.name, entry.bpp, entry.weights_sha256)
        assert (codec.code.k, codec.code.n, codec.constellation) == (1458, 1944, QAM16)
        assert f"{codec.source.name}+ldpc" == codec.name
        assert codec.source.label in entry.description
        assert f"{entry.name}@{entry.bpp:g}" in registry.names()


def test_only_who_receives_loads_sionna() -> None:
    code = "import sys; from sdjscc.codecs import CodecRegistry as R; R.with_all_loaded({}); assert {}"
    for receiving, loaded in (("", "'sionna' not in sys.modules"), ("receiving=True", "'sionna' in sys.modules")):
        subprocess.run([sys.executable, "-c", code.format(receiving, loaded)], check=True, timeout=60)


def test_learned_codecs_come_first_and_the_default_is_one() -> None:
    registry = CodecRegistry()
    assert registry.entries[0].card is not None
    assert registry.find().card is not None
    assert registry.find("webp+ldpc").bpp == 0.25


def test_bpg_takes_the_place_of_its_equivalent_where_its_tools_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "BPG-equivalent" in CodecRegistry().find("hevc+ldpc").description
    monkeypatch.setattr(shipped, "bpg_tools_on_path", lambda: True)
    names = {entry.name for entry in CodecRegistry().entries}
    assert {"bpg+ldpc", "bpg-agreed+ldpc"} < names
    assert "hevc+ldpc" not in names


def test_unknown_rates_name_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"no rate of 7 bpp here; installed: 0\.125, 0\.25, 0\.5"):
        CodecRegistry().find("webp+ldpc", 7.0)
    with pytest.raises(UnknownName, match="use one of jpeg"):
        shipped.load("webp+turbo", 0.25)


@pytest.mark.usefixtures("_without_sionna")
def test_without_the_extra_the_others_are_there_and_the_hint_is_given() -> None:
    registry = CodecRegistry.with_all_loaded()
    assert {entry.card is None for entry in registry.entries} == {False}
    for ask in (registry.find, registry.load, shipped.load):
        with pytest.raises(MissingDependency, match=r"needs sionna here; run: pip install 'sdjscc\[baselines\]'"):
            ask("webp+ldpc", 0.25)


def test_without_pyav_only_hevc_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert {entry.name for entry in CodecRegistry().entries if entry.card is None} == set(NAMES[:4])
    with pytest.raises(MissingDependency, match=r"hevc-agreed\+ldpc needs av here"):
        CodecRegistry().load("hevc-agreed+ldpc")


def test_listing_imports_neither_torch_nor_sionna() -> None:
    code = "import sys; sys.modules['torch'] = None; from sdjscc.codecs import CodecRegistry; CodecRegistry().names()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'sionna' not in sys.modules"], check=True, timeout=60)


def test_training_cannot_start_from_a_chain() -> None:
    with pytest.raises(InvalidRequest, match="without weights; start from a learned codec"):
        warm_start(None, "webp+ldpc@0.25")  # type: ignore[arg-type]


def test_the_stand_in_is_a_mean_of_photographs() -> None:
    mean = shipped.stand_in()
    assert (mean.shape, mean.dtype) == ((96, 96, 3), np.uint8)
    assert 90 < mean.mean() < 130
    assert mean.std() < 20


def test_the_mean_of_a_folder(tmp_path: Path) -> None:
    for number, grey in enumerate((10, 20, 33)):
        (tmp_path / "class").mkdir(exist_ok=True)
        PillowImage.new("RGB", (5, 4), (grey, 0, 255)).save(tmp_path / "class" / f"{number}.png")
    assert (mean_of_folder(tmp_path) == np.full((4, 5, 3), (21, 0, 255))).all()
    PillowImage.new("RGB", (9, 9)).save(tmp_path / "class" / "other.png")
    with pytest.raises(InvalidRequest, match="give images of one size"):
        mean_of_folder(tmp_path)
    with pytest.raises(InvalidRequest, match="no images under"):
        mean_of_folder(tmp_path / "class")
