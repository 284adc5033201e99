#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the oracle itself against the golden data: block values bit for bit, logits of every case.

usage: check_golden.py [GOLDEN_FOLDER]   default: environment MSCOPE_GOLDEN; exit 77 when absent
"""

import csv
import os
import sys

import need_numpy  # noqa: F401
import numpy as np

import quants
from evaluate import evaluate
from gguf_reader import Gguf

FAMILIES = ("llama", "qwen2", "gemma2", "olmoe", "qwen3moe")
TOLERANCE = 5e-5  # of the standard deviation; the reference's own float32 noise is up to 1e-5


def check_blocks(folder):
    """Number of types whose values differ in a bit (-0 equals 0)."""
    n_bad = 0
    for type_id, (name, _, _) in quants.TYPES.items():
        for kind in ("q", "rnd"):
            packed = os.path.join(folder, "quants", f"{name}.{kind}.bin")
            if not os.path.exists(packed):
                continue
            values = quants.dequantise(type_id, np.fromfile(packed, np.uint8)).astype(np.float32)
            expected = np.fromfile(packed[:-3] + "f32", np.float32)
            same = np.array_equal(values, expected, equal_nan=True)
            n_bad += not same
            print(f"{name:8} {kind:4} {values.size:6} values  {'equal' if same else 'DIFFER'}")
    return n_bad


def check_cases(folder):
    """Number of cases beyond the tolerance."""
    n_bad = 0
    with open(os.path.join(folder, "cases.tsv"), newline="", encoding="utf-8") as file:
        cases = list(csv.DictReader(file, delimiter="\t"))
    for case in cases:
        model = Gguf(os.path.join(folder, case["model"]))
        if model.metadata["general.architecture"] not in FAMILIES:
            continue
        with open(os.path.join(folder, case["tokens"]), encoding="utf-8") as file:
            tokens = [int(word) for word in file.read().split()]
        golden = case["golden"] if case["exact"] == "-" else case["exact"]
        expected = np.fromfile(os.path.join(folder, golden), np.float32).reshape(len(tokens), -1)
        error = np.abs(evaluate(model, tokens) - expected).max() / float(case["std"])
        good = error <= TOLERANCE
        n_bad += not good
        print(f"{case['id']:28} max/std {error:8.1e}  {'pass' if good else 'FAIL'}")
    return n_bad


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MSCOPE_GOLDEN", "")
    if not os.path.exists(os.path.join(folder, "cases.tsv")):
        print("SKIP oracle/check_golden: no golden data (set MSCOPE_GOLDEN)")
        return 77
    n_bad = check_blocks(folder) + check_cases(folder)
    print("oracle agrees with the golden data" if n_bad == 0 else f"{n_bad} disagreements")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
