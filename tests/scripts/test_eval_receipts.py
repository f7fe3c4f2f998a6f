"""The hand-written rule that relabelling is compared with."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "eval_receipts.py"


def receipt(*lines: str) -> dict[str, Any]:
    boxes = [
        [90 * x, 40 * y, 90 * x + 80, 40 * y + 30] for y, line in enumerate(lines) for x in range(len(line.split()))
    ]
    return {"context": "\n".join(lines), "boxes": boxes}


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        (("RICE 9.00", "SUBTOTAL 9.00", "TAX 0.54", "TOTAL 9.54", "CASH 20.00"), "9.54"),
        (("TOTAL RM12.50", "CASH 50.00"), "RM12.50"),
        (("TOTAL 9.52", "ROUNDED TOTAL 9.50"), "9.50"),
        (("TOTAL QTY 3.00", "TOTAL 1,200.00"), "1,200.00"),
        (("RICE 9.00", "CASH 20.00"), "20.00"),
        (("NO AMOUNT",), ""),
    ],
)
def test_the_rule_reads_the_lines_that_say_total(lines: tuple[str, ...], total: str) -> None:
    assert runpy.run_path(str(SCRIPT))["total_by_rule"](receipt(*lines)) == total
