"""The command line as users type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deploy.local import LocalLink
from sdjscc.codecs import CodecRegistry

Pixels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]


def sdjscc(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdjscc.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        timeout=120,
    )


@pytest.fixture
def pictures(tmp_path: Path, cat: Pixels, photograph: Pixels) -> Path:
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    Image.fromarray(cat).save(folder / "cat.png")
    Image.fromarray(photograph).save(folder / "coffee.jpg")
    Image.fromarray(photograph).convert("L").save(folder / "inner" / "cat.webp")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_folder_is_sent_shown_and_saved(link: LocalLink, pictures: Path, tmp_path: Path) -> None:
    saved = tmp_path / "received"
    done = sdjscc("send", pictures, "--server", link.server, "--snr", 5, "--bpp", 0.25, "--codec", "deep-jscc",
                  "--save", saved, "--task", "stl10")  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in ("cat.png", "coffee.jpg", "inner/cat.webp", "PSNR dB", "34656"):
        assert word in done.stdout
    assert {str(p.relative_to(saved)) for p in saved.rglob("*.png")} == {"cat.png", "coffee.png", "inner/cat.png"}
    assert Image.open(saved / "cat.png").size == (451, 300)


def test_json_lines_hold_everything(link: LocalLink, pictures: Path) -> None:
    done = sdjscc("send", pictures / "cat.png", "--server", link.server, "--snr", 5, "--seed", 7, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["image"].endswith("cat.png")
    assert record["conditions"] == [{"model": "awgn", "snr_db": 5.0, "seed": 7}]
    assert record["bits"] == 34656
    assert record["psnr_db"] > 20
    assert record["labels"][0].keys() == {"name", "probability"}
    again = sdjscc("send", pictures / "cat.png", "--snr", 5, "--seed", 7, "--json", SDJSCC_SERVER=link.server)
    assert json.loads(again.stdout)["psnr_db"] == record["psnr_db"]


def test_a_proxy_in_the_environment_is_not_asked(link: LocalLink, pictures: Path) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    done = sdjscc("send", pictures / "cat.png", "--server", link.server, **proxy)
    assert done.returncode == 0, done.stderr


def test_a_failed_image_is_named_and_the_others_go_through(link: LocalLink, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    done = sdjscc("send", pictures, "--server", link.server, "--json")
    assert done.returncode == 1
    assert "broken.png: the image cannot be decoded" in done.stderr
    assert "1 of 4 images failed" in done.stderr
    assert "Traceback" not in done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum("error" in record for record in records) == 1
    assert len(records) == 4


def test_two_files_of_one_name_are_both_saved(link: LocalLink, pictures: Path, tmp_path: Path) -> None:
    files = (pictures / "cat.png", pictures / "inner" / "cat.webp")
    done = sdjscc("send", *files, "--server", link.server, "--save", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"cat.png", "cat-2.png"}


def test_a_missing_channel_is_warned_of(link: LocalLink, pictures: Path, tmp_path: Path) -> None:
    from deploy.local import ServiceProcess

    direct = ServiceProcess("transmitter", tmp_path / "log", {"upstream": link.services["receiver"].address})
    try:
        direct.wait_serving()
        done = sdjscc("send", pictures / "cat.png", "--server", direct.address, "--snr", 5)
    finally:
        direct.stop()
    assert done.returncode == 0
    assert "no channel" in done.stdout
    assert "no noise was added" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["send", "nowhere.png"], "there is no file or folder nowhere.png"),
        (["send", "README.md", "--snr", "nan"], "-30 to 100 dB"),
        (["send", "README.md", "--server", "127.0.0.1:1"], "no transmitter answers at 127.0.0.1:1"),
        (["send", "proto"], "the folder proto holds no images"),
        (["send", "README.md", "--save", "README.md/x"], "cannot be made"),
        (["conditions", "--server", "127.0.0.1:1"], "no channel answers at 127.0.0.1:1"),
        (["evaluate", "--data", "nowhere"], "there is no folder nowhere"),
        (["evaluate", "--data", "tests", "--snr", "5;6"], "give numbers with commas between"),
        (["train", "no-such-config", "--data", "tests"], "there is no configuration no-such-config"),
        (["train", "deep-jscc-0.25bpp", "--data", "nowhere"], "there is no folder nowhere"),
        (["train", "deep-jscc-0.25bpp", "--data", "tests", "--budget", "soon"], "give one such as 90s, 45m"),
        (["publish", "nowhere", "--test", "tests"], "no images under tests"),
        (["paint"], "No such command"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str) -> None:
    done = sdjscc(*arguments)
    assert done.returncode in {1, 2}
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_conditions_are_read_and_set(link: LocalLink) -> None:
    server = ("--server", link.services["channel"].address)
    assert sdjscc("conditions", *server).stdout == "awgn at 10 dB\n"
    assert sdjscc("conditions", *server, "--snr", "12.5").stdout == "awgn at 12.5 dB\n"
    assert sdjscc("conditions", *server, "--snr", "10").stdout == "awgn at 10 dB\n"


def test_codecs_are_listed_with_their_figures() -> None:
    table = sdjscc("codecs").stdout
    entries = CodecRegistry().entries
    for entry in entries:
        if entry.card is None:
            assert f"{entry.name} at 0.125, 0.25, 0.5 bpp: separation baseline" in table
            continue
        assert f"{entry.name} at {entry.bpp:g} bpp: learned codec" in table
        for figure in entry.card.figures:
            assert f"{figure.psnr_db:.2f}" in table
    records = [json.loads(line) for line in sdjscc("codecs", "--json").stdout.splitlines()]
    assert [(record["codec"], record["bpp"]) for record in records] == [(entry.name, entry.bpp) for entry in entries]
    assert [record.get("weights_sha256", "") for record in records] == [entry.weights_sha256 for entry in entries]


def test_a_folder_is_evaluated(tmp_path: Path, cat: Pixels, photograph: Pixels) -> None:
    for name, pixels in (("cat", cat), ("ship", photograph)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "1.png")
        Image.fromarray(pixels[:96, :96]).save(tmp_path / name / "2.png")
    arguments = ("evaluate", "--data", tmp_path, "--snr", "0,20", "--seed", 3, "--json")
    first, again = sdjscc(*arguments), sdjscc(*arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    low, high = (json.loads(line) for line in first.stdout.splitlines())
    assert (low["snr_db"], high["snr_db"]) == (0, 20)
    assert low["n"] == high["n"] == 4
    assert low["psnr_db"] < high["psnr_db"]
    assert 0 < low["ssim"] < high["ssim"] < 1
    assert 0 <= low["f1"] <= 1
    assert {low["accuracy"], high["accuracy"]} <= {0, 0.25, 0.5, 0.75, 1}
    assert low["channel_uses_per_pixel"] == pytest.approx(0.125, rel=0.1)
    limited = sdjscc(*arguments, "--limit", 1, "--plot", tmp_path / "plot.png")
    assert json.loads(limited.stdout.splitlines()[0])["n"] == 1
    assert Image.open(tmp_path / "plot.png").width > 500
    unwritable = sdjscc(*arguments, "--limit", 1, "--plot", tmp_path / "nowhere" / "plot.png")
    assert "give a writable .png" in unwritable.stderr
    unknown = tmp_path / "dragon"
    unknown.mkdir()
    Image.fromarray(cat).save(unknown / "1.png")
    assert "has no class 'dragon'" in sdjscc(*arguments).stderr


def test_the_demo_leaves_a_contact_sheet(link: LocalLink, tmp_path: Path) -> None:
    sheet = tmp_path / "sheets" / "demo.png"
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--server", link.server, "--snr", "0,20", "--save", str(sheet)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    for name in ("cat", "coffee", "astronaut", "rocket", "camera"):
        assert name in done.stdout
    image = Image.open(sheet)
    assert image.width > 600
    assert image.height > 900
    assert np.asarray(image).std() > 20
