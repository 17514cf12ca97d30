"""One picture of original and received images, with labels under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Cell", "contact_sheet"]

_TILE = 224
_GAP = 12
_CAPTION = 46
_MARGIN = 24
_HEADER = 40

_INK, _QUIET, _RIGHT, _WRONG, _PAPER = "#1b1b1b", "#6b6b6b", "#1a7f37", "#b3261e", "white"


@dataclass(frozen=True)
class Cell:
    """One image and what stands under it."""

    image: NDArray[np.uint8]
    """RGB pixels, uint8 ``(h, w, 3)``."""
    label: str
    note: str
    right: bool | None = None
    """Whether the label is that of the original; None for the original itself."""


def contact_sheet(title: str, columns: list[str], rows: list[list[Cell]]) -> Image.Image:
    """A sheet with a column for each of ``columns`` and a row for each photograph. Labels are marked right or wrong
    by a sign as well as by colour, so that the sheet reads in grey."""
    width = 2 * _MARGIN + len(columns) * (_TILE + _GAP) - _GAP
    tiles = [[_tile(cell.image) for cell in row] for row in rows]
    heights = [max(tile.height for tile in row) for row in tiles]
    height = 2 * _MARGIN + 2 * _HEADER + sum(heights) + len(rows) * (_CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(22))
    for column, heading in enumerate(columns):
        draw.text((_left(column), _MARGIN + _HEADER), heading, _QUIET, ImageFont.load_default(18))
    top = _MARGIN + 2 * _HEADER
    for row_height, row_tiles, cells in zip(heights, tiles, rows, strict=True):
        for column, (tile, cell) in enumerate(zip(row_tiles, cells, strict=True)):
            sheet.paste(tile, (_left(column), top + row_height - tile.height))
            _draw_caption(draw, cell, _left(column), top + row_height)
        top += row_height + _CAPTION + _GAP
    return sheet


def _left(column: int) -> int:
    return _MARGIN + column * (_TILE + _GAP)


def _tile(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image.resize((_TILE, max(1, round(image.height * _TILE / image.width))), Image.Resampling.LANCZOS)


def _draw_caption(draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int) -> None:
    colour = {None: _INK, True: _RIGHT, False: _WRONG}[cell.right]
    text_left = left
    if cell.right is not None:
        _draw_sign(draw, left + 6, top + 15, cell.right, colour)
        text_left += 18
    font = ImageFont.load_default(16)
    draw.text((text_left, top + 6), _fit(cell.label, font, left + _TILE - text_left), colour, font)
    draw.text((left, top + 27), cell.note, _QUIET, ImageFont.load_default(13))


def _draw_sign(draw: ImageDraw.ImageDraw, x: int, y: int, right: bool, colour: str) -> None:
    """A tick or a cross, drawn: the font that Pillow carries has neither."""
    if right:
        draw.line([(x - 5, y), (x - 1, y + 5), (x + 6, y - 6)], colour, 3, joint="curve")
    else:
        draw.line([(x - 5, y - 5), (x + 5, y + 5)], colour, 3)
        draw.line([(x - 5, y + 5), (x + 5, y - 5)], colour, 3)


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
