"""The study: what is kept, what is refused beforehand, what is counted, and what is drawn from what was kept."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sdjscc.channels import QAM16, QAM64
from sdjscc.channels.ldpc import get_ldpc_code
from sdjscc.cli.study import command
from sdjscc.codecs import CodecRegistry
from sdjscc.codecs.separation import HevcIntra, Jpeg, WebP
from sdjscc.codecs.separation.frame import frame_words
from sdjscc.data.images import encode_image
from sdjscc.errors import InvalidRequest, NotReady, UnknownName
from sdjscc.evaluation import Link, Point
from sdjscc.study import comparison, envelope, equal_uses, fig4, fig5, fig6, fig7, fig8, gain, measure, table1
from sdjscc.study.block_errors import BlockErrors, file_of, read_block_errors
from sdjscc.study.carriers import Carrier, capacity_bits, open_carrier
from sdjscc.study.datasets import STL10
from sdjscc.study.fine_tunes import STEPS, FineTune, train
from sdjscc.study.measure import Study
from sdjscc.study.modes import MODES, Mode, bpp_of
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Cell, Conditions, Delivery, Record, Results
from sdjscc.study.schemes import ORIGINAL, PLAIN, label, parse
from sdjscc.study.stand_in import stand_in

Pixels = NDArray[np.uint8]

N = 50


def conditions(n: int = N, images: str = "a") -> Conditions:
    return Conditions(weights_sha256="", images_sha256=images, n=n, seed=0)


def record(cell: Cell, accuracy: float = 0.8, unfit: int = 0, damaged: int = 0, images: str = "a") -> Record:
    right = np.arange(N) < accuracy * N
    point = Point(
        codec=cell.scheme,
        bpp=cell.bpp,
        snr_db=cell.snr_db,
        n=N,
        accuracy=accuracy,
        accuracy_ci95=0.05,
        f1=accuracy,
        psnr_db=20 + cell.snr_db / 10,
        psnr_db_ci95=0.3,
        ssim=0.7,
        ssim_ci95=0.01,
        channel_uses_per_pixel=0.125,
        right=right,
    )
    delivery = Delivery(unfit=unfit, damaged=damaged) if "+" in cell.scheme else None
    return Record.of(cell, conditions(images=images), point, delivery)


def results_of(out: Path, cells: Iterable[Cell], change: Callable[[Cell], dict[str, int]] = lambda _: {}) -> Results:
    results = Results(out / "results.json")
    results._records = {cell: record(cell, **change(cell)) for cell in cells}  # one writing for all
    results.add(next(iter(results._records.values())))
    return Results(results.file)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of STL-10 with two plain images each."""
    for folder in (STL10.train, STL10.test):
        for level, name in enumerate(("bird", "ship")):
            path = tmp_path / "data" / folder / name
            path.mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (16, 16), (100 * level, 50 * i, 0)).save(path / f"{i}.png")
    return tmp_path / "data"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


CELL = Cell(scheme="webp+ldpc", bpp=0.25, snr_db=5.0, data=STL10.test, task="stl10")


def test_a_record_comes_back_as_it_was_kept(out: Path) -> None:
    kept = record(CELL, 0.62, unfit=3, damaged=7)
    Results(out / "results.json").add(kept)
    found = Results(out / "results.json")[CELL]
    assert found == kept
    assert found.outcomes.sum() == 31
    assert found.point.figures() == kept.point.figures()
    assert found.delivery == Delivery(unfit=3, damaged=7)


def test_an_infinite_psnr_is_kept(out: Path) -> None:
    kept = record(CELL)
    endless = kept.model_copy(update={"figures": {**kept.figures, "psnr_db": math.inf, "psnr_db_ci95": math.nan}})
    Results(out / "results.json").add(endless)
    point = Results(out / "results.json")[CELL].point
    assert point.psnr_db == math.inf
    assert math.isnan(point.psnr_db_ci95)


def test_a_rate_is_reached_where_one_image_in_a_hundred_fits_no_file() -> None:
    assert record(CELL, unfit=0).reachable
    assert not record(CELL, unfit=1).reachable  # 2 % of 50
    assert record(CELL.model_copy(update={"scheme": "deep-jscc"})).reachable


def test_a_gain_is_that_of_the_differences_image_by_image() -> None:
    mean, half = record(CELL, 0.8).gain_over(record(CELL, 0.6))
    assert mean == pytest.approx(0.2)
    difference = np.repeat([1.0, 0.0], [10, 40])
    assert half == pytest.approx(1.96 * difference.std(ddof=1) / math.sqrt(N), rel=1e-3)
    with pytest.raises(InvalidRequest, match="different images"):
        record(CELL).gain_over(record(CELL, images="b"))


class StubClassifier:
    def class_index(self, label: str) -> int:
        return ("bird", "ship").index(label)

    def logits(self, pixels: NDArray[np.uint8]) -> Tensor:
        bright = torch.from_numpy(pixels[:, 0, 0, 0] > 51)
        return torch.stack([~bright, bright], 1).float()


class BreaksAt10dB(Carrier):
    """Images as they are; as if killed at 10 dB."""

    sent: list[float]
    broken = True

    def link(self, snr_db: float, seed: int) -> Link:
        if self.broken and snr_db == 10.0:
            raise KeyboardInterrupt
        BreaksAt10dB.sent.append(snr_db)
        return lambda pixels, _: [(pixels, 7)]


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> type[BreaksAt10dB]:
    monkeypatch.setattr(measure, "_classifier", lambda _: StubClassifier())
    monkeypatch.setattr(measure, "open_carrier", lambda *_: BreaksAt10dB())
    monkeypatch.setattr(BreaksAt10dB, "sent", [], raising=False)
    return BreaksAt10dB


def test_a_killed_study_loses_no_more_than_the_cell_under_way(
    data: Path, out: Path, stubs: type[BreaksAt10dB], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = grid([ORIGINAL], [24.0], (0.0, 5.0, 10.0), STL10)
    with pytest.raises(KeyboardInterrupt):
        Study(Results(out / "results.json"), data, None, 0).measure(cells)
    assert [cell in Results(out / "results.json") for cell in cells] == [True, True, False]

    monkeypatch.setattr(stubs, "broken", False)
    results = Results(out / "results.json")
    Study(results, data, None, 0).measure(cells)
    assert stubs.sent == [0.0, 5.0, 10.0]
    point = results[cells[2]].point
    assert (point.n, point.accuracy, point.channel_uses_per_pixel) == (4, 1.0, 7 / 4 / 256)

    Study(results, data, 4, 0).measure(cells[:1])
    assert stubs.sent[3:] == [0.0], "another limit is another measurement"


def test_results_on_more_images_are_not_replaced(data: Path, out: Path, stubs: type[BreaksAt10dB]) -> None:
    cells = grid([ORIGINAL], [24.0], (0.0, 5.0), STL10)
    results = Results(out / "results.json")
    Study(results, data, 3, 0).measure(cells[1:])
    Study(results, data, None, 0).measure(cells[1:])
    assert results[cells[1]].conditions.n == 4
    with pytest.raises(InvalidRequest, match="5 dB on 4 images, which a result on 3 would replace; give"):
        Study(results, data, 3, 0).measure(cells)
    assert stubs.sent == [5.0, 5.0], "nothing is measured before the refusal"
    assert Results(out / "results.json")[cells[1]].conditions.n == 4


def test_only_optional_cells_are_left_out_where_a_codec_is_not_installed(
    data: Path, out: Path, stubs: type[BreaksAt10dB]
) -> None:
    study = Study(Results(out / "results.json"), data, None, 0)
    unknown = grid(["no-such-codec"], [0.25], [0.0], STL10)
    study.measure((), optional=unknown)
    assert stubs.sent == []
    with pytest.raises(UnknownName, match="no codec 'no-such-codec' here; installed"):
        study.measure(unknown)


def test_data_that_cannot_be_measured_on_are_refused(data: Path, out: Path) -> None:
    study = Study(Results(out / "results.json"), data / "elsewhere", None, 0)
    with pytest.raises(InvalidRequest, match="there is no folder"):
        study.images(STL10.test)
    shutil.rmtree(data / STL10.test / "ship")
    with pytest.raises(InvalidRequest, match="2 images of 1 classes; accuracies with intervals need at least"):
        Study(study.results, data, None, 0).images(STL10.test)


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "measure", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(command, ["gain", "--data", str(data), "--out", str(tmp_path / "file" / "out")])
    assert isinstance(result.exception, InvalidRequest)
    assert "cannot be written to" in str(result.exception)


def test_two_studies_do_not_write_into_one_folder(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results_of(out, gain.PART.cells)
    monkeypatch.setattr(Part, "measure", lambda *_: None)
    arguments = ["gain", "--out", str(out)]
    code = "import sys; from pathlib import Path; from sdjscc.study.files import alone_in\n"
    code += "with alone_in(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        refused = CliRunner().invoke(command, [*arguments, "--data", str(data)])
        redrawn = CliRunner().invoke(command, [*arguments, "--redraw"])
        other.kill()
    assert isinstance(refused.exception, InvalidRequest)
    assert "another study is writing into" in str(refused.exception)
    assert redrawn.exit_code == 0, "drawing needs nothing but what is there"
    after = CliRunner().invoke(command, [*arguments, "--data", str(data)])
    assert after.exit_code == 0, "a killed study leaves no lock"


@pytest.mark.parametrize("part", [fig4.PART, equal_uses.PART, table1.PART, fig5.PART, gain.PART, envelope.PART])
def test_drawing_what_was_not_measured_is_refused(part: object, out: Path) -> None:
    result = CliRunner().invoke(command, [part.name, "--redraw", "--out", str(out)])  # type: ignore[attr-defined]
    assert isinstance(result.exception, InvalidRequest)


def test_a_damaged_file_of_results_is_told(out: Path) -> None:
    (out / "results.json").write_text("[{")
    with pytest.raises(InvalidRequest, match="not a file of results"):
        Results(out / "results.json")
    file_of(out).write_text("[1]")
    with pytest.raises(InvalidRequest, match="not a file of block errors"):
        read_block_errors(out)


def test_the_stand_in_is_the_mean_of_the_training_images_and_is_kept(data: Path, out: Path) -> None:
    mean = stand_in(data, STL10.train, out)
    assert (mean == (50, 25, 0)).all()
    shutil.rmtree(data)
    assert np.array_equal(stand_in(data, STL10.train, out), mean)


def test_names_of_separation_schemes() -> None:
    assert parse("deep-jscc") is None
    short, long = parse("webp-agreed+ldpc"), parse("hevc+ldpc-5/6+64-qam")
    assert short is not None
    assert long is not None
    assert (short.source, short.agreed_headers, short.rate, short.constellation) == (WebP, True, "3/4", QAM16)
    assert (long.source, long.agreed_headers, long.rate, long.constellation) == (HevcIntra, False, "5/6", QAM64)
    assert (short.name, long.name) == ("webp-agreed+ldpc", "hevc+ldpc-5/6+64-qam")
    assert label("webp-agreed+ldpc") == "WebP, headers agreed"
    for wrong in ("gif+ldpc", "webp+turbo", "webp+ldpc-1/2+8-psk"):
        with pytest.raises(UnknownName, match="no separation scheme"):
            parse(wrong)


def test_bpg_without_its_tools_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotReady, match="bpgenc and bpgdec are not on PATH"):
        open_carrier("bpg+ldpc", 0.25, np.zeros((1, 1, 3), np.uint8), CodecRegistry())


def photographs() -> Pixels:
    import skimage.data

    astronaut = skimage.data.astronaut()[::2, ::2]
    return np.stack([astronaut[:96, x : x + 96] for x in (0, 96)])


def test_files_are_searched_once_and_what_became_of_them_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0
    search = Jpeg.encode_within

    def counted(self: Jpeg, image: Pixels, budget_bytes: int) -> bytes | None:
        nonlocal searched
        searched += 1
        return search(self, image, budget_bytes)

    monkeypatch.setattr(Jpeg, "encode_within", counted)
    grey = np.full((1, 1, 3), 90, np.uint8)
    carrier = open_carrier("jpeg-agreed+ldpc", 0.25, grey, CodecRegistry())
    blocks = np.kron(np.random.default_rng(0).integers(0, 2, (24, 24)), np.full((4, 4), 255))
    images = np.full((2, 96, 96, 3), 200, np.uint8)
    images[1] = blocks[..., None]  # of which even JPEG's worst quality keeps too much
    for snr_db, damaged in ((20.0, 0), (0.0, 2)):
        link = carrier.link(snr_db, seed=0)
        ((received, uses),) = link(images, 0)
        assert uses == 2 * 2 * 1944 // 4
        assert carrier.delivery() == Delivery(unfit=1, damaged=damaged)
        assert (received[1] == 90).all()
        assert (received[0] == 90).all() == bool(damaged)
    assert searched == 2


def test_at_capacity_the_file_arrives_in_as_many_uses_as_capacity_takes() -> None:
    carrier = open_carrier("jpeg-agreed+capacity", bpp_of(364, 96 * 96), np.zeros((1, 1, 3), np.uint8), CodecRegistry())
    images = photographs()
    ((received, uses),) = carrier.link(0.0, seed=0)(images, 0)
    assert uses == 2 * 8 * 364  # one bit a use at 0 dB
    file = Jpeg(agreed_headers=True).encode_within(images[0], 364)
    assert file is not None
    assert np.array_equal(received[0], Jpeg(agreed_headers=True).decode(file, (96, 96)))
    assert carrier.delivery() == Delivery(unfit=0, damaged=0)


def test_equal_images_are_classified_once() -> None:
    class Counting:
        name, class_names, input_size, layers = "stub", ("bird", "ship"), 8, ()
        seen = 0

        def __call__(self, images: Tensor) -> Tensor:
            Counting.seen += len(images)
            bright = images[:, 0, 0, 0] > 0.2
            return torch.stack([~bright, bright], 1).float()

    once = measure._ClassifyOnce(Counting())  # type: ignore[arg-type]
    images = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(4, 1, 1, 1).expand(4, 3, 2, 2)
    assert once(images).argmax(1).tolist() == [0, 1, 0, 1]
    assert once(images[1:2]).argmax(1).tolist() == [1]
    assert Counting.seen == 2


def test_what_a_mode_carries_is_counted_exactly() -> None:
    uses = 96 * 96 // 8
    assert uses == equal_uses.USES == 1152
    mode = Mode("3/4", QAM16)
    # 4608 coded bits hold two words; 2 * 1458 bits hold 364 bytes and an end mark.
    assert (mode.words(uses), mode.symbols(uses), mode.file_bytes(uses)) == (2, 972, 364)
    assert [m.label for m in MODES if not m.words(uses)] == [f"{rate} bpsk" for rate in ("1/2", "2/3", "3/4", "5/6")]
    assert Mode("1/2", MODES[0].constellation).file_bytes(uses) == 0


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.words(1152)], ids=lambda mode: mode.label)
def test_a_rate_gives_back_just_its_bytes_and_words(mode: Mode) -> None:
    uses, pixels = 1152, 96 * 96
    budget = math.ceil(bpp_of(mode.file_bytes(uses), pixels) * 96 * 96 / 8)
    assert budget == mode.file_bytes(uses)
    assert frame_words(budget, mode.code.k) == mode.words(uses)
    assert frame_words(budget + 1, mode.code.k) == mode.words(uses) + 1
    assert mode.symbols(uses) <= uses
    assert get_ldpc_code(mode.rate).n == 1944


def test_capacity() -> None:
    assert capacity_bits(0.0) == 1.0
    assert capacity_bits(10.0) == pytest.approx(math.log2(11))
    assert envelope.capacity_bytes(0.0, 1152) == 144
    assert envelope.capacity_bytes(20.0, 1152) == int(1152 * math.log2(101)) // 8 == 958


def block_errors(good: Callable[[Mode, float], float], snrs_db: Iterable[float]) -> list[BlockErrors]:
    return [
        BlockErrors(
            rate=mode.rate,
            constellation=mode.constellation.name,
            snr_db=snr_db,
            seed=0,
            words=1000,
            errors=round(1000 * good(mode, snr_db)),
        )
        for mode in MODES
        if mode.words(1152)
        for snr_db in snrs_db
    ]


def by_key(entries: Iterable[BlockErrors]) -> dict[tuple[str, str, float], BlockErrors]:
    return {(entry.rate, entry.constellation, entry.snr_db): entry for entry in entries}


def test_the_adaptive_scheme_takes_the_longest_file_within_its_target() -> None:
    # Of two words a hundredth is lost where one word in two hundred is: 16-QAM at 3/4 passes at 5 of 1000, not at 6.
    def some(loss: float) -> Callable[[Mode, float], float]:
        return lambda mode, _: {"16-qam": loss if mode.rate == "3/4" else 0.9 * (mode.rate == "5/6")}.get(
            mode.constellation.name, 0.0 if mode.constellation.name == "qpsk" else 1.0
        )

    assert envelope.choose(by_key(block_errors(some(0.005), [8.0])), 8.0, 1152).label == "3/4 16-qam"
    assert envelope.choose(by_key(block_errors(some(0.006), [8.0])), 8.0, 1152).label == "2/3 16-qam"


def test_where_no_mode_keeps_the_target_the_one_that_loses_least_is_taken() -> None:
    hopeless = by_key(block_errors(lambda *_: 1.0, [0.0]))
    assert envelope.choose(hopeless, 0.0, 1152).label == "1/2 qpsk"
    better = by_key(block_errors(lambda mode, _: 0.4 if mode.label == "2/3 qpsk" else 1.0, [0.0]))
    assert envelope.choose(better, 0.0, 1152).label == "2/3 qpsk"
    with pytest.raises(InvalidRequest, match="no block errors of 1/2 qpsk at 3 dB"):
        envelope.choose(hopeless, 3.0, 1152)


@pytest.mark.parametrize(("part", "name"), [(fig4.PART, "fig4"), (equal_uses.PART, "equal-uses")])
def test_comparisons_are_drawn_from_results(part: object, name: str, out: Path) -> None:
    def unfit(cell: Cell) -> dict[str, int]:
        return {"unfit": 6 * cell.scheme.startswith("jpeg"), "damaged": 40 if cell.snr_db < 10 else 0}

    results_of(out, part.cells, lambda cell: unfit(cell) if "+" in cell.scheme else {})  # type: ignore[attr-defined]
    result = CliRunner().invoke(command, [name, "--redraw", "--out", str(out)])
    assert result.exit_code == 0, result.exception
    text = (out / f"{name}.md").read_text()
    assert text.count("| cannot be reached (12.0 % of images) | - | - |") == 2
    assert "| WebP, headers agreed | 80.0 % |" in text
    assert "50 images of `stl10/test`" in text
    assert f"sdjscc study {name} --data DATA" in text
    assert "trained at 5 dB |" not in text
    assert (out / f"{name}.png").stat().st_size > 10_000

    results = Results(out / "results.json")
    for cell in grid(comparison.AT_5_DB, [0.25], fig4.SNRS_DB, STL10):
        results.add(record(cell))
    part.write(results, out)  # type: ignore[attr-defined]
    assert "| SD-JSCC, trained at 5 dB |" in (out / f"{name}.md").read_text()


def test_gains_are_drawn_from_results(out: Path) -> None:
    results = results_of(out, gain.PART.cells, lambda _: {})
    for name, part in (("gain", gain.PART), ("fig6", fig6.PART)):
        part.write(results, out)
        text = (out / f"{name}.md").read_text()
        assert f"50 images of `stl10/test`, noise of seed 0, 95 % intervals; made by `sdjscc study {name}" in text
        assert (out / f"{name}.png").is_file()
    assert (out / "gain.md").read_text().count("| 0.25 |") == 4
    assert "Trained at 5 dB" not in (out / "gain.md").read_text()
    for cell in gain.PART.optional:
        results.add(record(cell))
    gain.PART.write(results, out)
    assert "Trained at 5 dB" in (out / "gain.md").read_text()


def test_table1_is_drawn_from_results(out: Path) -> None:
    table1.PART.write(results_of(out, table1.PART.cells, lambda c: {"unfit": N * (c.scheme == PLAIN[0])}), out)
    text = (out / "table1.md").read_text()
    assert "| original | - | - | 80.0 ± 5.0 | 0.800 | - | 0.700 | 89.42 |" in text
    assert "| JPEG | cannot be reached (100.0 % of images) | 0.1250 | - | - | - | - | 39.78 |" in text
    assert (out / "table1.png").is_file()


def test_the_envelope_is_drawn_from_results(out: Path) -> None:
    entries = block_errors(
        lambda mode, snr_db: float(mode.constellation.bits_per_symbol > snr_db / 2), envelope.SNRS_DB
    )
    file_of(out).write_text(json.dumps([entry.model_dump() for entry in entries]))
    adaptive = [envelope._adaptive(by_key(entries), envelope.BPG, snr_db) for snr_db in envelope.SNRS_DB]
    envelope.PART.write(results_of(out, [*envelope.PART.cells, *adaptive]), out)
    text = (out / "envelope.md").read_text()
    assert "| 5 | 5/6 qpsk | 202 |" in text
    assert "| 20 | 5/6 64-qam | 607 |" in text
    assert "leaves out bpsk: 1152 symbols carry no word" in text
    assert (out / "envelope.png").is_file()


def test_the_strip_is_drawn_from_what_was_kept(out: Path) -> None:
    png = base64.b64encode(encode_image(photographs()[0])).decode()
    seen = [
        fig5.Seen(scheme=scheme, file=f"n0/{i}.jpg", png=png, predicted="beagle", right=i == 0, fits=scheme == ORIGINAL)
        for scheme in (ORIGINAL, PLAIN[0])
        for i in range(2)
    ]
    strip = fig5.Strip(data="imagewoof160/val", seed=3, limit=None, seen=tuple(seen))
    (out / "fig5.json").write_text(strip.model_dump_json())
    fig5.PART.write(Results(out / "results.json"), out)
    assert "| n0/1.jpg | ✗ beagle | ✗ no file fits: beagle |" in (out / "fig5.md").read_text()
    assert (out / "fig5.png").is_file()


def test_fine_tunes_are_drawn_from_results(out: Path) -> None:
    cells = [fig7._cell(tau) for tau in fig7.TAUS]
    cells += [cell for scheme in fig8._schemes() for cell in fig8._cells(scheme)]
    results = results_of(out, cells)
    for name, part in (("fig7", fig7.PART), ("fig8", fig8.PART)):
        part.write(results, out)
        assert f"{STEPS} steps of batch 16" in (out / f"{name}.md").read_text()
        assert (out / f"{name}.png").is_file()


def test_fine_tunes_differ_in_what_is_compared_alone() -> None:
    plain, sharp = (fig7.tune(tau).settings.model_dump() for tau in (0.0, 300.0))
    assert {key for key in plain if plain[key] != sharp[key]} == {"codec", "loss"}
    assert {key for key in plain["loss"] if plain["loss"][key] != sharp["loss"][key]} == {"tau"}
    low, high = (fig8.tune(snr_db).settings.model_dump() for snr_db in (0.0, 20.0))
    assert {key for key in low if low[key] != high[key]} == {"codec", "snr_db"}


def test_a_fine_tune_is_trained_once_and_found_by_the_study(data: Path, out: Path) -> None:
    small = {"latent_channels": 8, "width": 16, "encoder_blocks": (0, 0), "decoder_blocks": (0, 0, 0)}
    changes = {
        "architecture": small,
        "steps": 2,
        "batch": 2,
        "crop": 16,
        "validation_fraction": 0.5,
        "precision": "no",
    }
    tune = FineTune("tiny", "deep-jscc-0.25bpp", changes)
    study = Study(Results(out / "results.json"), data, None, 0)
    train([tune], STL10, study)
    weights = study.weights / "tiny-0.125bpp.safetensors"
    trained = weights.read_bytes()
    train([tune], STL10, study)
    assert weights.read_bytes() == trained
    cells = grid(["tiny"], [0.125], [5.0], STL10)
    study.measure(cells)
    assert study.results[cells[0]].conditions.n == 4
    with pytest.raises(InvalidRequest, match="another configuration"):
        train([FineTune("tiny", "deep-jscc-0.25bpp", {**changes, "seed": 1})], STL10, study)


def test_a_card_names_the_command_that_measured_it(out: Path) -> None:
    cells = gain.PART.cells[:2]
    results = results_of(out, cells)
    weights, task = results[cells[0]].conditions.weights_sha256, cells[0].task
    assert results.command_of(weights, task) == "sdjscc study all"
    limited = {
        cell: r.model_copy(update={"conditions": r.conditions.model_copy(update={"limit": 9})})
        for cell, r in results._records.items()
    }
    results._records = limited
    assert results.command_of(weights, task) == "sdjscc study all --limit 9"
    results._records = limited | {cells[1]: record(cells[1])}
    with pytest.raises(InvalidRequest, match="several numbers of images"):
        results.command_of(weights, task)
    with pytest.raises(InvalidRequest, match="no results of these weights"):
        results.command_of("f" * 64, task)
