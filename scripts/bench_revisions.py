"""Prints the figures of the revisions, each beside its bar: diff, layout, faults and incremental runs, one by one.

    python scripts/bench_revisions.py                          # all parts as they are by default: an hour on two cores
    python scripts/bench_revisions.py diff --rows 1000000      # one part, with the options of scripts/bench_diff.py

Every part is a script of its own, which says what it measures: bench_diff.py, bench_layout.py, bench_faults.py,
bench_incremental.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PARTS = ("diff", "layout", "faults", "incremental")


def main() -> None:
    """Runs the parts; ends with an error when one does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all")
    chosen, options = parser.parse_known_args()
    if options and not chosen.part:
        parser.error("options belong to a part: name it first")
    for part in (chosen.part,) if chosen.part else PARTS:
        script = Path(__file__).with_name(f"bench_{part}.py")
        subprocess.run([sys.executable, str(script), *options], check=True)


if __name__ == "__main__":
    main()
