"""Two processes of accelerate share the batches, and both get the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_llama import tiny_model, tiny_tokenizer

from hf_mbdc.generation import LocalGenerator, Request, Sampling, Store, generate
from hf_mbdc.generation.completions import make_tasks

REQUESTS = [Request(f"r{n}", prompt=f"prompt {n}") for n in range(12)]
SAMPLING = Sampling(temperature=0.9, max_tokens=12)
CHILD = """
import sys
from pathlib import Path
from accelerate import Accelerator
sys.path[:0] = sys.argv[2:]
from test_distributed import REQUESTS, SAMPLING
from tiny_llama import tiny_model, tiny_tokenizer
from hf_mbdc.generation import LocalGenerator, generate

accelerator, folder = Accelerator(cpu=True), Path(sys.argv[1])
model = LocalGenerator(tiny_model(), tiny_tokenizer(), SAMPLING, batch_tokens=60, accelerator=accelerator)
rank = accelerator.process_index
generate(REQUESTS, model, store=folder / f"s{rank}").to_parquet(folder / f"rows{rank}.parquet")
accelerator.end_training()
"""


@pytest.mark.parametrize("kept", [2, 12])
def test_two_processes_get_what_one_gets(tmp_path: Path, kept: int) -> None:
    one = LocalGenerator(tiny_model(), tiny_tokenizer(), SAMPLING)
    wanted = generate(REQUESTS, one).to_list()
    prompts = [request.prompt or "" for request in REQUESTS]
    keys = [t.key for t in make_tasks(REQUESTS, prompts, identity=one.identity(), sampling=SAMPLING, seed=0)]
    # One process has a part already, as after a kill, or all: both must agree on what is left all the same.
    generate(REQUESTS[:kept], one, store=tmp_path / "s1")
    (tmp_path / "child.py").write_text(CHILD)
    here = Path(__file__).resolve().parent
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words = [str(tmp_path / "child.py"), str(tmp_path), str(here), str(here.parent)]
    subprocess.run([*launch, *words], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300)
    for rank in range(2):
        assert pq.read_table(tmp_path / f"rows{rank}.parquet").to_pylist() == wanted
        with Store(tmp_path / f"s{rank}") as store:
            assert len(store.find(keys, max_tokens=12)) == 12
