"""The comparison of the paper's fig. 4 at equal channel uses instead of equal bits."""

from __future__ import annotations

from sdjscc.channels import QAM16
from sdjscc.study.comparison import Comparison
from sdjscc.study.datasets import STL10
from sdjscc.study.fig4 import SNRS_DB
from sdjscc.study.modes import Mode, bpp_of

__all__ = ["PART", "PIXELS", "USES"]

PIXELS = 96 * 96
"""Of an image of STL-10."""
USES = PIXELS // 8
"""Complex symbols that the learned codecs of 0.25 bpp send for one."""

_MODE = Mode("3/4", QAM16)
_BYTES = _MODE.file_bytes(USES)

_COMPARISON = Comparison(
    name="equal-uses",
    dataset=STL10,
    snrs_db=SNRS_DB,
    learned_bpp=0.25,
    separation_bpp=bpp_of(_BYTES, PIXELS),
    heading=(
        "# Accuracy over the SNR at equal channel uses\n\n"
        f"At 0.25 bpp the learned codecs take {USES} complex symbols for an image of 96x96 pixels, 0.125 a pixel. By "
        f"16-QAM so many carry {4 * USES} coded bits: {_MODE.words(USES)} whole code words of 1944, which take "
        f"{_MODE.symbols(USES)} symbols and hold a file of up to {_BYTES} bytes and its end mark, "
        f"{8 * _BYTES / PIXELS:.4f} bpp. The {USES - _MODE.symbols(USES)} symbols that are left are too few for "
        "another word and stay unused.\n\n"
        "Where more than 1 % of the images fit no file, the scheme counts as one that cannot reach the rate, and it is "
        "not drawn. HEVC intra's headers are longer than BPG's: its form with agreed headers is the one that stands "
        "for BPG."
    ),
)

PART = _COMPARISON.part("the same at 0.125 channel uses a pixel for all")
