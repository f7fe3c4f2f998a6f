"""The trained target as a generator in this process, for steps in which it makes data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_mbdc.generation import LocalGenerator
    from hf_mbdc.training.launch import TrainingResult

STORE = "completions.sqlite"  # of the work dir: what was drawn once is not drawn again


@contextmanager
def target_generator(target: TrainingResult, seed: int) -> Iterator[LocalGenerator]:
    """A trained target; its sampling is that of what is asked.

    Args:
        target: what its training left.
        seed: of the draws.
    """
    from hf_mbdc.generation import LocalGenerator
    from hf_mbdc.targets.language import load_language_model

    model, tokenizer = load_language_model(str(target.model_path))
    with one_thread() as device:
        yield LocalGenerator(model.to(device), tokenizer, seed=seed, name=target.model_id.partition("@")[0])


@contextmanager
def one_thread() -> Iterator[str]:
    """One thread of torch inside the block, as trainings have, so that no result depends on the number of cores.

    Gives the device to compute on, a GPU where there is one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield "cuda" if torch.cuda.is_available() else "cpu"
    finally:
        torch.set_num_threads(threads)
