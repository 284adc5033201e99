/* SPDX-License-Identifier: MIT */
/* Options, examples and texts of the verbs that measure. */
#include "cli/verbs_measure.h"

const struct option_argument study_arguments[] = {
    {"NAME...", true, "experiments of configs/experiments.yaml; none: the full study"},
    {0},
};

const struct option_spec study_options[] = {
    {.name = "quick", .type = OPTION_FLAG, .help = "the experiment called quick: a few minutes"},
    {.name = "smoke", .type = OPTION_FLAG, .help = "one short prompt for each model, once"},
    {.name = "only-models",
     .type = OPTION_TEXT,
     .value_name = "ID,ID",
     .help = "only these of configs/models.yaml"},
    {.name = "threads-override",
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .help = "threads instead of the experiments', as 2 or 1,2,4 or 1-8*2"},
    {.name = "engine",
     .type = OPTION_LIST,
     .value_name = "ENGINE",
     .help = "own, llama.cpp:PATH or http:URL; may be repeated, they are then interleaved"},
    {.name = "api-key-file",
     .type = OPTION_TEXT,
     .value_name = "FILE",
     .help = "key for http engines; default: MOESCOPE_API_KEY of the environment"},
    {.name = "out",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "results",
     .help = "rows go to DIR/raw"},
    {.name = "models-dir",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "models",
     .help = "where model files are, and stand-ins are made"},
    {.name = "configs",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .help = "the four YAML files; default: ./configs, else those of the installation"},
    {.name = "device",
     .type = OPTION_TEXT,
     .value_name = "ID",
     .help = "profile of configs/devices.yaml; default: by the machine's name"},
    {.name = "order-seed",
     .type = OPTION_U64,
     .value_name = "N",
     .fallback = "42",
     .help = "of the random order"},
    {.name = "kv",
     .type = OPTION_CHOICE,
     .value_name = "TYPE",
     .choices = "f16|q8_0|f32",
     .fallback = "f16",
     .help = "cache"},
    {.name = "cpu",
     .type = OPTION_TEXT,
     .value_name = "LEVEL",
     .help = "kernel level, see 'moescope version'; default: the best"},
    {.name = "stand-ins",
     .type = OPTION_FLAG,
     .help = "synthetic stand-ins even where the real file is there"},
    {.name = "no-stand-ins", .type = OPTION_FLAG, .help = "real files only"},
    {.name = "no-roof",
     .type = OPTION_FLAG,
     .help = "do not measure the ceilings of this machine (saves seconds)"},
    {0},
};

const struct cli_example study_examples[] = {
    {"study --quick", "all models, a few minutes"},
    {"study experiment_1_efficiency --out results", "one experiment; the same again continues it"},
    {"study --engine own --engine llama.cpp:/opt/llama-completion", "two engines, interleaved"},
    {0},
};

const char study_text[] =
    "Runs experiments and appends one row for each run to DIR/raw/STUDY-HOST.jsonl "
    "(docs/MEASURING.md). "
    "Runs come in random order by a recorded seed: in each repetition the models (and engines, and "
    "numbers of threads) are shuffled, and the prompts of each. Every model is loaded in a process "
    "of "
    "its own and warmed up; temperature is 0, end of text is ignored. What fails is a row with its "
    "reason, and the rest goes on.\n\n"
    "Killed at any moment and started again, the study goes on where it was. A model that is not "
    "in "
    "--models-dir is replaced by a synthetic stand-in of the same shape, made on the spot, and "
    "rows "
    "say so. Where disk or memory are short a smaller set is taken, and that is said too.";

const struct option_argument bench_arguments[] = {
    {"MODEL...", false, "GGUF files; or 'compare' and two files of rows, or 'show' and some"},
    {0},
};

const struct option_spec bench_options[] = {
    {.name = "prompt",
     .letter = 'p',
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .fallback = "512",
     .help = "tokens of prompts to process; 0: none"},
    {.name = "gen",
     .letter = 'n',
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .fallback = "128",
     .help = "tokens to make; 0: none"},
    {.name = "pg",
     .type = OPTION_LIST,
     .value_name = "P,N",
     .help = "one test of both: P tokens in, then N out; may be repeated"},
    {.name = "depth",
     .letter = 'd',
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .fallback = "0",
     .help = "tokens in the cache before the test begins"},
    {.name = "test",
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .help = "tests by name instead of -p, -n, -d: pp512,tg64@d2048"},
    {.name = "repetitions",
     .letter = 'r',
     .type = OPTION_INT,
     .value_name = "N",
     .fallback = "5",
     .min = 1,
     .max = 1000,
     .help = "of each test"},
    {.name = "engine",
     .type = OPTION_LIST,
     .value_name = "ENGINE",
     .help = "own, llama.cpp:PATH or http:URL; may be repeated, they then take turns"},
    {.name = "rounds",
     .type = OPTION_INT,
     .value_name = "N",
     .min = 1,
     .max = 100,
     .help = "in which engines take turns; default: one for each repetition"},
    {.name = "timeout",
     .type = OPTION_FLOAT,
     .value_name = "S",
     .fallback = "1800",
     .min = 0,
     .max = 1e6,
     .help = "seconds for a run, or for one start of another program; 0: none"},
    {.name = "api-key-file",
     .type = OPTION_TEXT,
     .value_name = "FILE",
     .help = "key for http engines; default: MOESCOPE_API_KEY of the environment"},
    {.name = "threads",
     .letter = 't',
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .help = "default: one per physical core"},
    {.name = "batch",
     .letter = 'b',
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .fallback = "512",
     .help = "rows evaluated at once in prefill"},
    {.name = "type-kv",
     .type = OPTION_TEXT,
     .value_name = "LIST",
     .fallback = "f16",
     .help = "cache: f16, q8_0, f32"},
    {.name = "file",
     .letter = 'f',
     .type = OPTION_TEXT,
     .value_name = "TEXT",
     .help = "text of the prompts; default: one of our own, repeated as needed"},
    {.name = "random",
     .type = OPTION_FLAG,
     .help = "random tokens instead of text; their routing is not that of text, rows say so"},
    {.name = "seed",
     .type = OPTION_U64,
     .value_name = "N",
     .fallback = "42",
     .help = "of --random"},
    {.name = "cpu",
     .type = OPTION_TEXT,
     .value_name = "LEVEL",
     .help = "kernel level, see 'moescope version'; default: the best"},
    {.name = "no-roof",
     .type = OPTION_FLAG,
     .help = "do not measure the ceilings of this machine (saves a second)"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_CHOICE,
     .value_name = "FORMAT",
     .choices = "md|csv|json|jsonl",
     .fallback = "md",
     .help = "of standard output"},
    {.name = "append",
     .type = OPTION_TEXT,
     .value_name = "FILE",
     .help = "also append the rows to FILE, for 'bench compare', 'bench show' and 'report'"},
    {.name = "ratios",
     .type = OPTION_FLAG,
     .help = "of show as csv: Mixture-of-Experts models beside dense ones"},
    {.name = "roof",
     .type = OPTION_CHOICE,
     .value_name = "SIDE",
     .choices = "low|high",
     .help = "of show: decode alone, where the memory gave its lower or its higher bandwidth"},
    {0},
};

const struct cli_example bench_examples[] = {
    {"bench model.gguf", "prefill of 512 tokens, decode of 128"},
    {"bench a.gguf b.gguf -p 128-512*2 -n 64 -t 1,2 -r 3", "two models, lists and ranges"},
    {"bench model.gguf -p 0 -d 0,2048 --type-kv f16,q8_0", "decode behind a long context"},
    {"bench model.gguf --append before.jsonl", "keep the rows"},
    {"bench model.gguf --test pp512,tg64 --engine own --engine llama.cpp:/opt/llama-bench",
     "side by side, in turns"},
    {"bench compare before.jsonl after.jsonl", "did it change, or is it noise?"},
    {"bench show versus.jsonl", "the tables of several engines from their rows"},
    {0},
};

const char bench_text[] =
    "Each test runs once unmeasured, then -r times, in a process of its own for each number of "
    "threads, "
    "batch and type of cache. Rates are means with the half width of their 95 % interval; ppP is "
    "prefill "
    "of P tokens, tgN decode of N, @dD behind D tokens of context. S-MBU is the share of the "
    "measured "
    "read bandwidth that the bytes really needed for a token account for. Lists are 1,2,8 or "
    "ranges 1-4, "
    "64-512+64, 1-8*2.\n\n"
    "The read bandwidth and the arithmetic peaks are measured before and after; rows come when "
    "both are known.\n\n"
    "With several engines there are rounds: in each every engine, in random order, has a process "
    "of "
    "its own for all tests, and the ceilings are measured after each. The table gives medians, the "
    "range, and "
    "the share of the read bandwidth (prefill: of the int8 peak) by the bytes and operations that "
    "the own engine counted. An engine may be "
    "given "
    "a name and more words for its command line: "
    "llama.cpp:PATH,name=tuned,args=-fa 1. llama-bench takes no text: then all engines get random "
    "tokens.\n\n"
    "'bench compare A B' puts the same tests of two files side by side (also rows of a study). A "
    "difference counts where Welch's test, corrected for the number of tests, is below 0.05; "
    "better "
    "still, interleave the runs of A and B. 'bench show' makes the tables of several engines from "
    "rows, with the decode rates of Mixture-of-Experts models over those of dense ones.";
