/* SPDX-License-Identifier: MIT */
/* The one table of verbs: parsing, help, the manual page and docs/CLI.md all come from here. */
#include "cli/cli.h"
#include "cli/verbs_machine.h"
#include "cli/verbs_measure.h"
#include "cli/verbs_report.h"

#include <string.h>

#define FLAG(option, text)                                                                         \
    {                                                                                              \
        .name = option, .type = OPTION_FLAG, .help = text                                          \
    }
#define TEXT(option, short_form, value, text)                                                      \
    {                                                                                              \
        .name = option, .letter = short_form, .type = OPTION_TEXT, .value_name = value,            \
        .help = text                                                                               \
    }
#define LIST(option, value, text)                                                                  \
    {                                                                                              \
        .name = option, .type = OPTION_LIST, .value_name = value, .help = text                     \
    }
#define CHOICE(option, value, all, text)                                                           \
    {                                                                                              \
        .name = option, .type = OPTION_CHOICE, .value_name = value, .choices = all, .help = text   \
    }
#define U64(option, value, standard, text)                                                         \
    {                                                                                              \
        .name = option, .type = OPTION_U64, .value_name = value, .fallback = standard,             \
        .help = text                                                                               \
    }
#define NUMBER(kind, option, short_form, value, standard, least, most, text)                       \
    {                                                                                              \
        .name = option, .letter = short_form, .type = kind, .value_name = value,                   \
        .fallback = standard, .min = least, .max = most, .help = text                              \
    }
#define INT(...)  NUMBER(OPTION_INT, __VA_ARGS__)
#define REAL(...) NUMBER(OPTION_FLOAT, __VA_ARGS__)

enum { MANY = 1 << 24 };

/* Options that verbs share. */
#define JSON    FLAG("json", "print one JSON object instead of text")
#define THREADS INT("threads", 0, "N", "0", 0, 1024, "threads; 0: one per physical core")
#define CPU     TEXT("cpu", 0, "LEVEL", "kernel level, see 'moescope version'; default: the best")
#define EXACT   FLAG("exact", "weights dequantised to F32, F32 activations and cache")
#define KV                                                                                         \
    CHOICE("kv", "TYPE", "f16|q8_0|f32",                                                           \
           "cache; default f16, or f32 with --exact and when that takes 4 MiB at most")
#define WINDOW  INT("ctx", 0, "N", "512", 0, MANY, "tokens of a window; 0: 512")
#define SOURCE  TEXT("file", 'f', "TEXT", "file with the text, - is standard input")

static const struct option_argument model_argument[] = {
    {"MODEL", false, "a GGUF file; of a split model, its first part"},
    {0},
};

static const struct option_spec only_json[] = {JSON, {0}};

static const struct cli_example info_examples[] = {
    {"info olmoe-1b-7b.gguf", "one page about the file"},
    {"info --json olmoe-1b-7b.gguf | jq .bytes_per_token", "one number of it"},
    {0},
};

static const struct option_spec run_options[] = {
    TEXT("prompt", 'p', "TEXT", "the text to continue"),
    TEXT("file", 'f', "FILE", "read the text from FILE, - is standard input"),
    INT("predict", 'n', "N", "128", -1, MANY, "tokens to make; -1: until the context is full"),
    REAL("temp", 0, "T", "0.8", 0, 100, "temperature; 0: greedy"),
    INT("top-k", 0, "K", "40", 0, MANY, "keep the K best; 0: all"),
    REAL("top-p", 0, "P", "0.95", 0, 1, "keep the best whose probabilities reach P; 1: all"),
    REAL("min-p", 0, "P", "0.05", 0, 1,
         "drop what is less probable than P times the best; 0: none"),
    REAL("repeat-penalty", 0, "R", "1", 0.01, 100, "weaken recent tokens; 1: not at all"),
    INT("repeat-last-n", 0, "N", "64", 0, 1 << 20, "how many tokens are recent"),
    U64("seed", "N", "0", "of the draw; the same seed gives the same text"),
    INT("ctx", 0, "N", "0", 0, MANY,
        "positions; 0: at most 4096, more where prompt and -n need it"),
    LIST("stop", "TEXT", "end before this text would appear; may be repeated"),
    FLAG("ignore-eos", "go on after an end-of-text token"),
    FLAG("echo", "print the prompt before the continuation"),
    FLAG("no-bos", "add no special token to the prompt"),
    FLAG("no-special", "text of special tokens in the prompt is plain text"),
    FLAG("no-roof", "do not measure the read bandwidth (saves half a second)"),
    FLAG("copy", "read the file into memory instead of mapping it: slower start, faster decode "
                 "where huge pages are to be had"),
    THREADS,
    CPU,
    EXACT,
    KV,
    JSON,
    {0},
};

static const struct cli_example run_examples[] = {
    {"run model.gguf -p \"Once upon a time\"", "stream a continuation"},
    {"run model.gguf -p \"2, 3, 5, 7,\" --temp 0 -n 20", "the most probable one"},
    {"run model.gguf -f essay.txt --stop \"The end\" --seed 7", "a long prompt"},
    {"run model.gguf", "line by line on a terminal"},
    {0},
};

static const struct option_spec logits_options[] = {
    TEXT("tokens", 0, "LIST", "ids separated by commas or white space, or @FILE that holds them"),
    TEXT("out", 0, "FILE", "where to write; - is standard output"),
    FLAG("step", "evaluate one token at a time, as decoding does"),
    INT("ctx", 0, "N", "0", 0, MANY, "positions; 0: at most 4096, more where the tokens need it"),
    THREADS,
    CPU,
    EXACT,
    KV,
    {0},
};

static const struct cli_example logits_examples[] = {
    {"logits model.gguf --tokens 1,2,3 --out out.f32", "three rows"},
    {"logits model.gguf --tokens @ids.txt --exact --step --out out.f32", "exact, token by token"},
    {0},
};

static const struct option_spec tokenize_options[] = {
    FLAG("no-bos", "add no special token"),
    FLAG("no-special", "text of special tokens is plain text"),
    FLAG("decode", "ids in, text out"),
    JSON,
    {0},
};

static const struct cli_example tokenize_examples[] = {
    {"tokenize model.gguf < essay.txt", "ids on one line"},
    {"tokenize model.gguf < essay.txt | moescope tokenize model.gguf --decode", "the text again"},
    {0},
};

static const struct option_spec perplexity_options[] = {
    SOURCE,
    WINDOW,
    INT("stride", 0, "S", "0", 0, MANY, "tokens from window to window; 0: a whole window"),
    INT("windows", 0, "N", "0", 0, MANY, "at most N windows; 0: all"),
    THREADS,
    CPU,
    EXACT,
    KV,
    JSON,
    {0},
};

static const struct cli_example perplexity_examples[] = {
    {"perplexity model.gguf -f wiki.test.raw", "the usual figure"},
    {"perplexity model.gguf -f wiki.test.raw --windows 8", "a quick look"},
    {0},
};

static const struct option_argument compare_arguments[] = {
    {"A", false, "the reference: a model, or logits with --vocab"},
    {"B", false, "what is compared with it"},
    {0},
};

static const struct option_spec compare_options[] = {
    SOURCE,
    TEXT("tokens", 0, "LIST", "token ids instead of text: 1,2,3 or @FILE that holds them"),
    INT("vocab", 0, "N", "0", 0, MANY, "A and B are files of logits with N columns"),
    WINDOW,
    FLAG("exact-a", "evaluate only A in exact mode"),
    THREADS,
    CPU,
    EXACT,
    KV,
    JSON,
    {0},
};

static const struct cli_example compare_examples[] = {
    {"compare f16.gguf q4.gguf -f text.txt", "what quantising cost"},
    {"compare m.gguf m.gguf --exact-a -f text.txt", "what fast arithmetic costs"},
    {"compare a.f32 b.f32 --vocab 50304", "two files of logits"},
    {0},
};

static const struct option_spec check_options[] = {
    INT("tokens", 0, "N", "16", 2, 512, "tokens that the runs use"), THREADS, CPU, JSON, {0},
};

static const struct cli_example check_examples[] = {
    {"check model.gguf && echo sound", "verdict as exit code"},
    {0},
};

static const struct option_argument quantize_arguments[] = {
    {"IN", false, "a GGUF file, best F32, F16 or BF16"},
    {"OUT", false, "file to write"},
    {"RECIPE", false, "Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, Q3_K_M, Q2_K, MXFP4_MOE, or a plain type"},
    {0},
};

static const struct option_spec quantize_options[] = {
    LIST("tensor-type", "PATTERN=TYPE",
         "tensors matching the expression get TYPE; may be repeated"),
    FLAG("allow-requantize", "accept a source that is quantised already"),
    THREADS,
    JSON,
    {0},
};

static const struct cli_example quantize_examples[] = {
    {"quantize f16.gguf q4.gguf Q4_K_M", "the common choice"},
    {"quantize f16.gguf mix.gguf Q4_K_M --tensor-type 'ffn_.*_exps=Q8_0'",
     "experts in 8 bits, the rest in 4"},
    {0},
};

static const struct option_argument synth_arguments[] = {
    {"SHAPE", true, "see --list"},
    {"OUT", true, "file to write"},
    {0},
};

static const struct option_spec synth_options[] = {
    FLAG("list", "list the shapes with their sizes at --type"),
    {"type", 0, OPTION_TEXT, "RECIPE", "Q4_K_M", .help = "tensor types, as for quantize"},
    U64("seed", "N", "0", "of the random weights"),
    THREADS,
    JSON,
    {0},
};

static const struct cli_example synth_examples[] = {
    {"synth olmoe-1b-7b olmoe.gguf", "4.21 GB of Mixture-of-Experts"},
    {"synth tiny-olmoe tiny.gguf --type F32", "a small one for tests"},
    {0},
};

static const struct option_argument no_arguments[] = {{0}};

static const struct cli_example version_examples[] = {
    {"version", "what was built and what it runs on"},
    {0},
};

static const struct option_argument help_arguments[] = {{"VERB", true, "one of the verbs"}, {0}};

static const struct option_spec help_options[] = {
    FLAG("man", "print the manual page in roff"),
    FLAG("markdown", "print docs/CLI.md"),
    {0},
};

static const struct cli_example help_examples[] = {
    {"help run", "options of run, by example"},
    {"help --man | man -l -", "the manual page"},
    {0},
};

const struct cli_verb cli_verbs[] = {
    {
        .name = "info",
        .purpose = "describe a model file: shape, bytes by class, bytes per token",
        .usage = "MODEL",
        .text =
            "Reads the header only, whatever the size of the file. Bytes per token are the weight "
            "bytes that decoding one token reads: of the embedding one row, of the experts only "
            "those used.",
        .table = {model_argument, only_json},
        .examples = info_examples,
        .run = cmd_info,
    },
    {
        .name = "run",
        .purpose = "continue a text; speed, memory and a hash in one line at the end",
        .usage = "MODEL [-p TEXT | -f FILE]",
        .text =
            "The prompt comes from -p, from -f, or from standard input, byte for byte. On a "
            "terminal "
            "without a prompt, each line you type is continued in one conversation; /help tells "
            "more. "
            "The continuation goes to standard output as it is made; the last line, on standard "
            "error, "
            "states the rates of prefill and decode, the time to the first token, the bytes read "
            "per "
            "decoded token, their rate against the measured read bandwidth of this machine, the "
            "peak "
            "memory of the process and the first 16 digits of the SHA-256 of the last logits.\n\n"
            "A token is chosen in this order: repetition penalty, top-k, top-p and min-p on the "
            "probabilities at temperature 1, then temperature, then the draw. Temperature 0 takes "
            "the "
            "most probable token, the lower id on ties. Ctrl-C ends the text, not the last line.",
        .table = {model_argument, run_options},
        .examples = run_examples,
        .run = cmd_run,
    },
    {
        .name = "logits",
        .purpose = "write the logits of every position of a list of tokens",
        .usage = "MODEL --tokens LIST --out FILE",
        .text =
            "FILE receives n_tokens rows of n_vocab little-endian 32-bit floats: row i holds the "
            "logits after token i. It appears under its name only when complete.",
        .table = {model_argument, logits_options},
        .examples = logits_examples,
        .run = cmd_logits,
    },
    {
        .name = "tokenize",
        .purpose = "turn text into token ids, or ids into text",
        .usage = "MODEL < TEXT",
        .text =
            "Reads all of standard input, byte for byte, and prints the ids on one line, separated "
            "by spaces. With --decode it reads ids and writes exactly the bytes they stand for; "
            "the "
            "special tokens that encoding adds at the ends are taken off again unless --no-bos is "
            "given. Files that hold only a vocabulary are fine.",
        .table = {model_argument, tokenize_options},
        .examples = tokenize_examples,
        .run = cmd_tokenize,
    },
    {
        .name = "perplexity",
        .purpose = "how well a model predicts a text, with standard error",
        .usage = "MODEL -f TEXT",
        .text =
            "The text is cut into windows of --ctx tokens; each starts with the BOS token if the "
            "vocabulary adds one. Of each window the later half is scored, so that every scored "
            "token has at least half a window before it. With --stride S windows start every S "
            "tokens and score their last S (at most half a window). A rest shorter than a window "
            "is "
            "left out.",
        .table = {model_argument, perplexity_options},
        .examples = perplexity_examples,
        .run = cmd_perplexity,
    },
    {
        .name = "compare",
        .purpose = "distance between two models, or two files of logits",
        .usage = "A B (-f TEXT | --tokens LIST | --vocab N)",
        .text =
            "A is the reference. Both models see the same tokens (of A's tokenizer) in windows of "
            "--ctx; every position counts. With --vocab, A and B are files of little-endian 32-bit "
            "floats, as 'logits' writes them. Stated are the Kullback-Leibler divergence of B from "
            "A "
            "in nats, how often the most probable token agrees, how many of A's five most probable "
            "tokens are among B's, and the rms difference in units of the standard deviation of "
            "A's "
            "logits.",
        .table = {compare_arguments, compare_options},
        .examples = compare_examples,
        .run = cmd_compare,
    },
    {
        .name = "check",
        .purpose = "five gates that say whether a model file computes as it should",
        .usage = "MODEL",
        .text =
            "1 dequantise: 512 elements of every type in the file against the published formulas. "
            "2 stages: every layer's activations are finite and of sane scale. 3 repeat: two runs "
            "give the same logits bit for bit, whatever the threads. 4 decode: token by token "
            "equals "
            "prefill within 1e-3 of the logits' standard deviation, in exact mode. 5 default: the "
            "default arithmetic against the exact one, allowing an rms error of 0.25 of the "
            "standard "
            "deviation, a mean KL divergence of 0.2 nats, and top-1 agreement of 70 % at least. "
            "The "
            "exit code is 0 when all hold, else 1.",
        .table = {model_argument, check_options},
        .examples = check_examples,
        .run = cmd_check,
    },
    {
        .name = "quantize",
        .purpose = "write a model with other tensor types",
        .usage = "IN OUT RECIPE",
        .text =
            "RECIPE is a mixture such as Q4_K_M or one plain type. --tensor-type overrides it for "
            "the "
            "tensors whose name matches a POSIX extended regular expression, first match first, so "
            "that experts can be quantised differently from the rest. OUT appears under its name "
            "only when complete.",
        .table = {quantize_arguments, quantize_options},
        .examples = quantize_examples,
        .run = cmd_quantize,
    },
    {
        .name = "synth",
        .purpose = "write a synthetic model of true shape: random weights, real dimensions",
        .usage = "(SHAPE OUT | --list)",
        .text = "Architecture, dimensions, per-tensor types and vocabulary size are those of a "
                "published "
                "model, the weights are random: good for measuring a device without downloading "
                "anything. The same shape, type and seed give the same bytes. OUT appears under "
                "its name "
                "only when complete.",
        .table = {synth_arguments, synth_options},
        .examples = synth_examples,
        .run = cmd_synth,
    },
    {
        .name = "bench",
        .purpose = "how fast models are here: prefill, decode, latency, memory, share of the roof",
        .usage = "(MODEL... | compare A.jsonl B.jsonl)",
        .text = bench_text,
        .table = {bench_arguments, bench_options},
        .examples = bench_examples,
        .run = cmd_bench,
    },
    {
        .name = "study",
        .purpose = "run the experiments of configs/ and append their rows",
        .usage = "[NAME... | --quick | --smoke]",
        .text = study_text,
        .table = {study_arguments, study_options},
        .examples = study_examples,
        .run = cmd_study,
    },
    {
        .name = "report",
        .purpose = "rows to tables, figures, verdicts and one page",
        .usage = "[--raw PATH...] [--out DIR]",
        .text = report_text_help,
        .table = {report_arguments, report_options},
        .examples = report_examples,
        .run = cmd_report,
    },
    {
        .name = "reproduce",
        .purpose = "run the command behind every claim and say whether it holds",
        .usage = "[all | gates | check]",
        .text = reproduce_text_help,
        .table = {reproduce_arguments, reproduce_options},
        .examples = reproduce_examples,
        .run = cmd_reproduce,
    },
    {
        .name = "fetch",
        .purpose = "get the models of configs/models.yaml, resumed and verified",
        .usage = "[ID...] [--list]",
        .text = fetch_text,
        .table = {fetch_arguments, fetch_options},
        .examples = fetch_examples,
        .run = cmd_fetch,
    },
    {
        .name = "machine",
        .purpose = "what this machine is, feels and can reach: cores, memory, sensors, ceilings",
        .usage = "",
        .text = machine_text,
        .table = {machine_arguments, machine_options},
        .examples = machine_examples,
        .run = cmd_machine,
    },
    {
        .name = "version",
        .purpose = "commit, compiler, flags, kernel levels of this CPU",
        .usage = "",
        .text =
            "Levels are listed weakest first; the last one is used unless --cpu forces another.",
        .table = {no_arguments, only_json},
        .examples = version_examples,
        .run = cmd_version,
    },
    {
        .name = "help",
        .purpose = "this overview, or all about one verb",
        .usage = "[VERB]",
        .text = "'moescope VERB --help' prints the same.",
        .table = {help_arguments, help_options},
        .examples = help_examples,
        .run = cmd_help,
    },
    {0},
};

const struct cli_verb *cli_find_verb(const char *name)
{
    for (const struct cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        if (strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}
