# SPDX-License-Identifier: MIT
"""Compares the engine with the oracle on small models: every family, recipe and variant.

usage: compare.py MOESCOPE [PATTERN]   only models whose name contains PATTERN; exit 77 without numpy

For every model, on logits of all positions, in units of their standard deviation:
  exact    max distance of `logits --exact` to the oracle                      at most 1e-4
  step     the same for `--step` (one token at a time)                         at most 1e-4
  threads  one, two and three threads                                          equal bit for bit
  default  rms distance of the default mode to the oracle                      at most DEFAULT_RMS
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

SHAPES = ("tiny-llama", "tiny-qwen2", "tiny-gemma2", "tiny-olmoe", "tiny-mixtral")
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
DEFAULT_RMS = {
    "float": 0.01,
    "blocks": 0.2,
}  # activations in 8 bits move expert choices of random models


class Failure(Exception):
    pass


def moescope(program, *arguments):
    run = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["(no message)"])[-1]
        raise Failure(f"{arguments[0]}: exit {run.returncode}: {last}")


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


def distance(logits, expected):
    """(max, rms) over the standard deviation of `expected`."""
    if logits.shape != expected.shape:
        raise Failure(f"logits of shape {logits.shape}, expected {expected.shape}")
    if not np.isfinite(logits).all():
        raise Failure("logits are not finite")
    difference = (logits - expected) / expected.std()
    return np.abs(difference).max(), np.sqrt(np.mean(difference**2))


def compare(program, path, oracle_path, folder):
    """One row of the table: the figures, and what failed."""
    model = Gguf(oracle_path)
    tokens, expected = choose_tokens(model)

    def run(*options):
        return engine_logits(program, path, tokens, folder, *options)

    exact, default = run("--exact", "--threads", 1), run("--threads", 1)
    exact_max, _ = distance(exact, expected)
    step_max, _ = distance(run("--exact", "--step"), expected)
    _, default_rms = distance(default, expected)
    wrong = [
        name for name, value in (("exact", exact_max), ("step", step_max)) if value > EXACT_MAX
    ]
    for n_threads in (2, 3):
        same_exact = np.array_equal(exact, run("--exact", "--threads", n_threads))
        if not (same_exact and np.array_equal(default, run("--threads", n_threads))):
            wrong.append(f"threads {n_threads}")
    is_float = all(tensor.type_id in (0, 1, 30) for tensor in model.tensors.values())
    if default_rms > DEFAULT_RMS["float" if is_float else "blocks"]:
        wrong.append("default")
    return f"{exact_max:9.1e} {step_max:9.1e} {default_rms:9.1e}", wrong


def all_models(program):
    """(name, writer): the writer takes a folder and returns the paths for moescope and the oracle."""

    def synthesise(shape, recipe, folder):
        path = os.path.join(folder, "synthetic.gguf")
        moescope(program, "synth", shape, path, "--type", recipe, "--seed", 7)
        return path, path

    for shape in SHAPES:
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
    print(f"{'model':32} {'exact':>9} {'step':>9} {'default':>9}")
    for name, write in all_models(program):
        if pattern not in name:
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                figures, wrong = compare(program, *write(folder), folder)
        except Failure as failure:
            figures, wrong = f"{'-':>9} {'-':>9} {'-':>9}", [str(failure)]
        n_models += 1
        n_failed += bool(wrong)
        print(f"{name:32} {figures}  {'FAIL ' + ', '.join(wrong) if wrong else 'pass'}", flush=True)
    print(f"{n_models} models, {n_failed} failed")
    return 1 if n_failed or n_models == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
