"""The target model as prompts → completions: what is asked, what asks it, and the store of what was answered.

`generate` is the way in, and `rate` where only the probabilities of given answers are wanted. A generator is a frozen
dataclass whose fields are the model, the sampling and the seed:
`LocalGenerator` runs a transformers model in this process, `VllmGenerator` a vLLM engine, and `EndpointGenerator` asks
an OpenAI-compatible server.
"""

from hf_mbdc.generation.completions import Completion, Request, Sampling, samples
from hf_mbdc.generation.endpoint import EndpointGenerator
from hf_mbdc.generation.generate import Generated, Generator, generate, generate_with_rejected
from hf_mbdc.generation.local import LocalGenerator
from hf_mbdc.generation.rate import Rater, rate, rate_with_rejected
from hf_mbdc.generation.store import Store
from hf_mbdc.generation.vllm import VllmGenerator

__all__ = [
    "Completion",
    "EndpointGenerator",
    "Generated",
    "Generator",
    "LocalGenerator",
    "Rater",
    "Request",
    "Sampling",
    "Store",
    "VllmGenerator",
    "generate",
    "generate_with_rejected",
    "rate",
    "rate_with_rejected",
    "samples",
]
