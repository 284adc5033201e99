/* SPDX-License-Identifier: MIT */
/* Options, examples and texts of the verbs that show and prove. */
#include "cli/verbs_report.h"

const struct option_argument report_arguments[] = {{0}};

const struct option_spec report_options[] = {
    {.name = "raw",
     .type = OPTION_LIST,
     .value_name = "PATH",
     .help = "row files, or folders with them; may be repeated; default: results/raw"},
    {.name = "out",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "results",
     .help = "where to write"},
    {.name = "gnuplot",
     .type = OPTION_TEXT,
     .value_name = "PROGRAM",
     .fallback = "gnuplot",
     .help = "draws the figures; absent: a note, and no figures"},
    {.name = "no-figures", .type = OPTION_FLAG, .help = "tables and page only"},
    {.name = "keep-all",
     .type = OPTION_FLAG,
     .help = "use runs made on a machine judged \"do not use\", too"},
    {0},
};

const struct cli_example report_examples[] = {
    {"report", "results/raw to results/report.html, tables, figures"},
    {"report --raw a.jsonl --raw b.jsonl --out /tmp/both", "two machines side by side"},
    {"report --raw bench.jsonl --out /tmp/bench --no-figures", "rows of bench"},
    {0},
};

const char report_text_help[] =
    "Derives everything from raw rows alone, so that it can be run again by anyone who has them: "
    "report.html (one file, no network), tables/*.csv, figures/* (SVG, PNG, PDF with the data and "
    "the "
    "script of each), rows.csv, moescope.sqlite, HARDWARE.md. Lines that are no rows are counted "
    "and "
    "left out; rows without commit or host are refused. The study's claims are tried: reproduced, "
    "refuted, or not measurable here with the reason. docs/REPORT.md describes each file.";

const struct option_argument reproduce_arguments[] = {
    {"WHAT", true, "all (default), gates, check, fill or the id of a claim"},
    {0},
};

const struct option_spec reproduce_options[] = {
    {.name = "root",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = ".",
     .help = "the source tree; other paths are relative to it"},
    {.name = "claims",
     .type = OPTION_TEXT,
     .value_name = "FILE",
     .fallback = "configs/claims.yaml",
     .help = "the table of claims"},
    {.name = "out",
     .type = OPTION_TEXT,
     .value_name = "DIR",
     .fallback = "build/reproduced",
     .help = "fresh results go here; commands find it as $OUT"},
    {0},
};

const struct cli_example reproduce_examples[] = {
    {"reproduce check", "do README and docs agree with results/?"},
    {"reproduce fill", "write the numbers of results/ into README and docs"},
    {"reproduce gates", "what must hold on every machine; exit code"},
    {"reproduce", "everything, measurements included; takes long"},
    {0},
};

const char reproduce_text_help[] =
    "Walks through configs/claims.yaml: prints each claim and its command, runs it, compares its "
    "figure with what is claimed, goes on after a failure, and sums up. 'gates' runs only what is "
    "deterministic and ends with 1 when anything failed; 'all' runs the measurements, too, and "
    "always ends with 0; both check the documents first. The id of a claim runs that one (77: "
    "skipped). 'check' does only that: every number in "
    "README.md, ARCHITECTURE.md and docs/ that a comment ties to a claim (docs/REPORT.md) must "
    "agree with its result file; 'fill' writes those that do not. Commands run in the source tree "
    "by /bin/sh with $MOESCOPE (this program) and $OUT.";
