"""How long do `import hf_mbdc` and `hf-mbdc --help` take, beside `import datasets` and an empty Python?

    python scripts/bench_startup.py --rounds 15

Each command is a process of its own; the rounds are interleaved, so that a slow moment of the machine hits all of them.
Printed are medians in seconds, and the ratio to `import datasets` of the same run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import datasets": ["-c", "import datasets"],
    "import hf_mbdc": ["-c", "import hf_mbdc"],
    "import hf_mbdc, datasets": ["-c", "import hf_mbdc, datasets"],
    "hf-mbdc --help": ["-m", "hf_mbdc.cli", "--help"],
}
FLOOR = "import datasets"


def measure(rounds: int) -> dict[str, float]:
    """Median wall seconds of each command over interleaved rounds; a first round that warms the caches is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, words in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    medians = measure(parser.parse_args().rounds)
    print(f"{'command':<28}{'seconds':>10}{'× import datasets':>20}")
    for name, value in medians.items():
        print(f"{name:<28}{value:>10.3f}{value / medians[FLOOR]:>20.2f}")


if __name__ == "__main__":
    main()
