"""Sum-product decoding of LDPC words by Sionna, stopped word by word. A decoder's making imports torch and Sionna."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.ldpc import LdpcCode
from sdjscc.errors import InvalidRequest, MissingDependency

__all__ = ["BeliefPropagation", "Decoded"]

# Messages of so many words stay in a core's cache; more at once is slower by the word.
_BATCH = 16


@dataclass(frozen=True)
class Decoded:
    """What became of a batch of words."""

    information: NDArray[np.uint8]
    """Decided information bits, 0 or 1, ``(words, k)``."""
    satisfied: NDArray[np.bool_]
    """Which words fulfil all parity checks, ``(words,)``; the others are surely wrong."""
    iterations: NDArray[np.int64]
    """Iterations that each took, ``(words,)``; 0 where the received signs were a word of the code."""


class BeliefPropagation:
    """Flooding sum-product decoder (Gallager's; Sionna's `LDPCBPDecoder`, ``boxplus-phi``, messages clipped at +-20).

    Sionna runs every word for all iterations. Here a word leaves as soon as its decided bits fulfil all parity checks:
    then it is a word of the code, and further iterations would only make the decoder surer of it.
    """

    def __init__(self, code: LdpcCode, iterations: int = 50) -> None:
        """Raises `MissingDependency` where Sionna is not installed. ``iterations``: the most that a word gets."""
        if iterations < 1:
            raise InvalidRequest(f"the decoder got {iterations} iterations; give it at least 1")
        try:
            from sionna.phy.fec.ldpc import LDPCBPDecoder
        except ModuleNotFoundError as error:
            raise MissingDependency(f"{error.name} is not installed; run: pip install 'sdjscc[baselines]'") from error
        self.code, self.iterations = code, iterations
        self._decoder = LDPCBPDecoder(code.parity_check, hard_out=False, return_state=True, device="cpu")

    def decode(self, llrs: NDArray[np.float32]) -> Decoded:
        """Decode words; what becomes of one does not depend on the others.

        Args:
            llrs: ln p(1) / p(0) of each code bit, float32 ``(words, n)``.
        """
        if llrs.ndim != 2 or llrs.shape[1] != self.code.n:
            raise InvalidRequest(f"the LLRs are of shape {llrs.shape}; give (words, {self.code.n})")
        bits = llrs >= 0
        satisfied = self.code.satisfied(bits)
        iterations = np.zeros(len(llrs), np.int64)
        waiting = np.flatnonzero(~satisfied)
        for start in range(0, len(waiting), _BATCH):
            chosen = waiting[start : start + _BATCH]
            bits[chosen], satisfied[chosen], iterations[chosen] = self._decode_batch(llrs[chosen])
        return Decoded(bits[:, : self.code.k].astype(np.uint8), satisfied, iterations)

    def _decode_batch(
        self, llrs: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
        import torch

        bits = np.empty(llrs.shape, bool)
        satisfied = np.zeros(len(llrs), bool)
        iterations = np.zeros(len(llrs), np.int64)
        active = np.arange(len(llrs))
        channel, messages, passed = torch.from_numpy(llrs), None, 0
        with torch.inference_mode():
            while len(active) and passed < self.iterations:
                # A look costs a tenth of an iteration: the longer a word has taken, the rarer.
                step = min(1 + passed // 8, self.iterations - passed)
                beliefs, messages = self._decoder(channel, num_iter=step, msg_v2c=messages)
                passed += step
                decided = beliefs.numpy() >= 0
                done = self.code.satisfied(decided)
                bits[active], satisfied[active], iterations[active] = decided, done, passed
                if done.any():
                    left = torch.from_numpy(np.flatnonzero(~done))
                    active, channel, messages = active[~done], channel[left], messages[left]
        return bits, satisfied, iterations
