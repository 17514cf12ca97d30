"""Fixtures that several tests share: photographs, and a link of three real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray

from deploy.local import LocalLink

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cat() -> Pixels:
    """A photograph of a cat, 300x451."""
    return skimage.data.cat()


@pytest.fixture(scope="session")
def photograph() -> Pixels:
    """A photograph whose sides are no multiple of 8, 100x150, small enough to be quick."""
    return np.ascontiguousarray(skimage.data.coffee()[100:200, 200:350])


@pytest.fixture(scope="session")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLink]:
    """Receiver, channel and transmitter as processes on the loopback interface; logs in its folder."""
    with LocalLink(Path(tmp_path_factory.mktemp("link"))) as running:
        yield running
