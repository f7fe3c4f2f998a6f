"""Prints the figures of the revisions: how long a diff takes, beside its floor and its peers.

    python scripts/bench_revisions.py --rows 10000000 --rounds 3 [in\\ order | shuffled | label\\ only | label\\ published]

See scripts/bench_diff.py for what is measured. Peers that are not installed are skipped, and the output says so; to
have them: pip install duckdb polars datacompy.
"""

from __future__ import annotations

import argparse

from bench_diff import CASES, bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="default: all")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    bench(chosen.rows, chosen.rounds, chosen.cases or list(CASES))


if __name__ == "__main__":
    main()
