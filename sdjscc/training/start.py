"""Weights to start from: stage two from stage one's, one rate from another's."""

from __future__ import annotations

import logging
from pathlib import Path

from safetensors.torch import load_file

from sdjscc.codecs import CodecRegistry
from sdjscc.errors import InvalidRequest
from sdjscc.training.link import Link

__all__ = ["warm_start"]


def warm_start(link: Link, source: str) -> None:
    """Copy into ``link`` all tensors of ``source`` that fit it.

    Those of another shape stay as they were drawn: between two rates these are the encoder's last and the decoder's
    first convolution. Raises `InvalidRequest` or `UnknownName` where ``source`` is neither a file nor a codec, and
    `InvalidRequest` where nothing fits.
    """
    stored = load_file(_find(source))
    own = link.state_dict()
    fitting = {k: v.to(own[k].dtype) for k, v in stored.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise InvalidRequest(f"no weights of {source} fit this architecture; start from a codec of the same width")
    link.load_state_dict({**own, **fitting})
    left = sorted({name.rpartition(".")[0] for name in own.keys() - fitting.keys()})
    if left:
        logging.getLogger(__name__).warning("not in %s, or of another shape: %s", source, ", ".join(left))


def _find(source: str) -> Path:
    if source.endswith(".safetensors"):
        path = Path(source)
        if not path.is_file():
            raise InvalidRequest(f"there are no weights at {path}")
        return path
    name, _, bpp = source.partition("@")
    try:
        weights = CodecRegistry().find(name, float(bpp or 0)).weights
    except ValueError:
        raise InvalidRequest(f"init is {source!r}; give a codec as deep-jscc@0.25, or a safetensors file") from None
    if weights is None:
        raise InvalidRequest(f"{source} is a separation chain without weights; start from a learned codec")
    return weights
