#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the engine with the oracle on small models: every family, recipe and variant.

usage: compare.py MOESCOPE [PATTERN]   only models whose name contains PATTERN; exit 77 without numpy

For every model, on logits of all positions, in units of their standard deviation:
  exact    max distance of `logits --exact` to the oracle              at most 1e-4
  step     the same for `--step`, one token at a time                  at most 1e-4
  ref      the same with the scalar kernels, `--cpu ref`               at most 1e-4
  default  median over positions of the default mode's rms distance    at most the bounds below
  threads  one, two and three threads, in both modes                   equal bit for bit
"""

import functools
import os
import subprocess
import sys
import tempfile

import need_numpy  # noqa: F401
import numpy as np

from evaluate import Trace, evaluate
from gguf_reader import Gguf
from variants import VARIANTS, write_variant

RECIPES = (
    "F32",
    "F16",
    "BF16",
    "Q8_0",
    "Q4_0",
    "Q4_K_M",
    "Q5_K_M",
    "Q6_K",
    "Q3_K_M",
    "Q2_K",
    "MXFP4_MOE",
)
N_TOKENS = 24
EXACT_MAX = 1e-4
ROUTER_GAP = (
    1e-4  # closer router logits may be ordered otherwise in float32: such token lists are not used
)
COLUMNS = ("exact", "step", "ref", "default")
# A median over positions, because activations in 8 bits move an expert choice of a random model here and
# there, which shows in all logits of its position and, less, of those after it. A wrong kernel gives 1.
FLOAT_RMS, DENSE_RMS, MOE_RMS = 0.002, 0.06, 0.15


class Failure(Exception):
    pass


def moescope(program, *arguments):
    """Runs a verb; returns what it printed."""
    run = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["(no message)"])[-1]
        raise Failure(f"{arguments[0]}: exit {run.returncode}: {last}")
    return run.stdout


def engine_logits(program, path, tokens, folder, *options):
    out = os.path.join(folder, "logits.f32")
    ids = ",".join(map(str, tokens))
    moescope(program, "logits", path, "--tokens", ids, "--out", out, *options)
    return np.fromfile(out, np.float32).reshape(len(tokens), -1)


def choose_tokens(model):
    """Tokens without a near tie in a router, and the oracle's logits for them."""
    n_vocab = model.tensors["token_embd.weight"].shape[0]
    for seed in range(20):
        tokens = np.random.default_rng(seed).integers(0, n_vocab, N_TOKENS)
        trace = Trace()
        logits = evaluate(model, tokens, trace)
        if trace.router_gap > ROUTER_GAP:
            return tokens, logits
    raise Failure("every list of tokens has a near tie in a router")


def distances(logits, expected):
    """Over the standard deviation of `expected`: the greatest, and the rms of the median position."""
    if logits.shape != expected.shape:
        raise Failure(f"logits of shape {logits.shape}, expected {expected.shape}")
    if not np.isfinite(logits).all():
        raise Failure("logits are not finite")
    difference = (logits - expected) / expected.std()
    return np.abs(difference).max(), np.median(np.sqrt(np.mean(difference**2, axis=1)))


def compare(program, path, oracle_path, folder):
    """One row of the table: the figures, and what failed."""
    model = Gguf(oracle_path)
    tokens, expected = choose_tokens(model)

    def run(*options):
        return engine_logits(program, path, tokens, folder, *options)

    exact, default = run("--exact", "--threads", 1), run("--threads", 1)
    row = {
        "exact": distances(exact, expected)[0],
        "step": distances(run("--exact", "--step"), expected)[0],
        "ref": distances(run("--exact", "--cpu", "ref"), expected)[0],
        "default": distances(default, expected)[1],
    }
    is_float = all(tensor.type_id in (0, 1, 30) for tensor in model.tensors.values())
    is_moe = any("ffn_gate_inp" in name for name in model.tensors)
    default_rms = FLOAT_RMS if is_float else MOE_RMS if is_moe else DENSE_RMS
    limits = dict.fromkeys(row, EXACT_MAX) | {"default": default_rms}
    wrong = [name for name, value in row.items() if value > limits[name]]
    for n_threads in (2, 3):
        same_exact = np.array_equal(exact, run("--exact", "--threads", n_threads))
        if not (same_exact and np.array_equal(default, run("--threads", n_threads))):
            wrong.append(f"threads {n_threads}")
    return row, wrong


def all_models(program):
    """(name, writer): the writer takes a folder and returns the paths for moescope and the oracle."""

    def synthesise(shape, recipe, folder):
        path = os.path.join(folder, "synthetic.gguf")
        moescope(program, "synth", shape, path, "--type", recipe, "--seed", 7)
        return path, path

    shapes = [line.split()[0] for line in moescope(program, "synth", "--list").splitlines()]
    for shape in filter(lambda name: name.startswith("tiny-"), shapes):
        for recipe in RECIPES:
            yield f"{shape} {recipe}", functools.partial(synthesise, shape, recipe)
    for name in VARIANTS:
        yield name, functools.partial(write_variant, name)


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    program, pattern = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else ""
    n_models = n_failed = 0
    print(f"{'model':32}" + "".join(f"{name:>10}" for name in COLUMNS))
    for name, write in all_models(program):
        if pattern not in name:
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                row, wrong = compare(program, *write(folder), folder)
        except Failure as failure:
            row, wrong = dict.fromkeys(COLUMNS, np.nan), [str(failure)]
        n_models += 1
        n_failed += bool(wrong)
        figures = "".join(f"{row[column]:10.1e}" for column in COLUMNS)
        print(f"{name:32}{figures}  {'FAIL ' + ', '.join(wrong) if wrong else 'pass'}", flush=True)
    print(f"{n_models} models, {n_failed} failed")
    return 1 if n_failed or n_models == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
