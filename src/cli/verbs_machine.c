/* SPDX-License-Identifier: MIT */
/* Options, examples and texts of fetch and machine. */
#include "cli/verbs_machine.h"

const struct option_argument fetch_arguments[] = {
    {"ID...", true, "models of configs/models.yaml; none: all of them"},
    {0},
};

const struct option_spec fetch_options[] = {
    {.name = "list", .type = OPTION_FLAG, .help = "say what there is and what is here; no network"},
    {.name = "models-dir",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "models",
     .help = "files go to DIR/ID/"},
    {.name = "out",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "results",
     .help = "hashes are noted in DIR/model_hashes.txt"},
    {.name = "configs",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .help = "where models.yaml is; default: ./configs, else that of the installation"},
    {.name = "retries",
     .type = OPTION_INT,
     .value_name = "N",
     .fallback = "5",
     .min = 0,
     .max = 1000,
     .help = "tries after an interruption that brought nothing"},
    {.name = "json", .type = OPTION_FLAG, .help = "print one JSON object instead of text"},
    {0},
};

const struct cli_example fetch_examples[] = {
    {"fetch --list", "what is missing"},
    {"fetch olmoe-1b-7b", "one model; again after an interruption: it continues"},
    {"fetch --models-dir /data/models", "all, to another disk"},
    {0},
};

const char fetch_text[] =
    "A file arrives as FILE.partial, continues where an interruption left it, is checked against "
    "the SHA-256 of models.yaml (or the one that the server tells) and only then gets its name. "
    "Wrong bytes are removed. Every hash is noted with size, address and time. Nothing that is "
    "there is overwritten.";

const struct option_argument machine_arguments[] = {{0}};

const struct option_spec machine_options[] = {
    {.name = "threads",
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .help = "as 2 or 1,2,4 or 1-8*2; default: 1, 2, 4, ... and all cores"},
    {.name = "cpu",
     .type = OPTION_TEXT,
     .value_name = "LEVEL",
     .help = "kernel level of the peaks, see 'moescope version'; default: the best"},
    {.name = "seconds",
     .type = OPTION_FLOAT,
     .value_name = "S",
     .fallback = "0.3",
     .min = 0.01,
     .max = 60,
     .help = "for each measurement"},
    {.name = "no-roof", .type = OPTION_FLAG, .help = "measure nothing, only say what is there"},
    {.name = "no-products",
     .type = OPTION_FLAG,
     .help = "leave out the table of matrix products (saves seconds)"},
    {.name = "json", .type = OPTION_FLAG, .help = "print one JSON object instead of text"},
    {.name = "from",
     .type = OPTION_TEXT,
     .value_name = "FILE",
     .help = "measure nothing: the table of products of a file that --json made"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_CHOICE,
     .value_name = "FORMAT",
     .choices = "md|csv",
     .fallback = "md",
     .help = "of --from"},
    {0},
};

const struct cli_example machine_examples[] = {
    {"machine", "what this machine is and can reach"},
    {"machine --threads 1-8 --seconds 1", "more threads, more patience"},
    {"machine --json | jq .ceilings", "for programs"},
    {"machine --from results/machine.json", "how fast the kernels were, type by type"},
    {0},
};

const char machine_text[] =
    "Cores, caches, memory, clocks, temperature and the source of energy readings; then, for each "
    "number of threads, how fast memory is read, written and copied (a buffer several times the "
    "last-level cache; of a copy both directions count) and what the cores reach in registers: "
    "fused multiply-adds of 32-bit floats and dot products of 8-bit integers, two operations each. "
    "Medians; other programs that run make them smaller. The line of scaling compares the "
    "fewest and the most threads: peaks that do not grow mean logical CPUs that share a physical "
    "core, which virtual machines like to hide; where the fastest passes grow and the medians do "
    "not, the host moves them about. Last, with the most threads, how fast the "
    "kernels multiply weights of every type: one token with matrices of the sizes of real layers "
    "that come from memory, and more and more tokens with one size. What a buffer of the same size "
    "is read with before and after each type is in the JSON.";
