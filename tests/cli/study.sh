#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# study.sh PROGRAM SOURCE: a study of tiny models from the command line: killed and continued, locked, without a place to
# write to, with a wrong configuration; its report; and what tools/demo takes where little is free. Prints what differs;
# exits 1 on any difference, 77 where rows are refused because the build knows no commit.
set -u
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"
program=$1
source_folder=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

main() {
    if "$program" version | grep -q 'commit *unknown'; then
        echo "SKIP: built outside a git checkout, so rows are refused"
        exit 77
    fi
    configure
    test_whole
    test_killed
    test_locked
    test_nowhere
    test_full
    test_mistakes
    test_demo
    echo "$n_cases cases, $n_failed failed"
    [ "$n_failed" -eq 0 ]
}

study() { # study OUT WORDS...
    local out=$1
    shift
    "$program" study "$@" --configs configs --models-dir models --out "$out" --no-roof > out 2> err < /dev/null
}
rows() { cat "$1"/raw/*.jsonl; }
n_rows() { rows "$1" | wc -l | tr -d ' '; }
n_cells() { rows "$1" | grep -o '"cell":"[^"]*"' | sort -u | wc -l | tr -d ' '; }

# Two tiny models, two prompts, three repetitions: twelve runs.
configure() {
    mkdir configs
    cp "$source_folder/configs/devices.yaml" configs/
    cat > configs/models.yaml << 'YAML'
models:
  - {id: moe, label: Moe, role: moe, repo: x/y, file: m.gguf, quant: Q8_0,
     stand_in: {shape: tiny-olmoe, recipe: Q8_0, seed: 1}}
  - {id: dense, label: Dense, role: dense, repo: x/y, file: m.gguf, quant: Q8_0,
     stand_in: {shape: tiny-llama, recipe: Q8_0, seed: 1}}
YAML
    cat > configs/prompts.yaml << 'YAML'
prompts:
  - {id: one, category: qa, text: what is the first thing that you remember of it}
  - {id: two, category: qa, text: say it once more in other words and then stop}
YAML
    cat > configs/experiments.yaml << 'YAML'
experiments:
  - {id: e, title: E, prompts: [one, two], repetitions: 3, n_gen: 40, warmup_max: 2, in_full: true,
     probe_overhead: true}
YAML
}

test_whole() {
    study whole
    is $? 0 "exit code"
    has err '^moescope: study full: 12 runs'
    has err 'making the stand-in tiny-olmoe'
    has err 'Moe, [0-9]+ threads: cost of the split by phase: [+-][0-9.]+ % of a token \(± [0-9.]+ %\)'
    has err '12 ok, 0 failed, 0 skipped'
    is "$(n_rows whole)" 12 rows
    study whole
    is $? 0 "exit code of a study that is done"
    has err '12 rows were there already'
    is "$(n_rows whole)" 12 "rows after starting it again"
    "$program" report --raw whole/raw --out whole > out 2> err
    is $? 0 "exit code of report"
    has out 'the page is whole/report.html'
    has whole/report.html '<html'
}

# Killed ever later, with its workers, until it comes through; then every cell has one row.
test_killed() {
    local i=0 before=0 now pid
    while [ $i -lt 30 ]; do
        i=$((i + 1))
        "$program" study --configs configs --models-dir models --out killed --no-roof > out 2> err < /dev/null &
        pid=$!
        until [ "$( (rows killed 2> /dev/null || true) | wc -l)" -gt "$before" ] || ! kill -0 $pid 2> /dev/null; do
            :
        done
        kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null
        now=$( (rows killed 2> /dev/null || true) | grep -c '}$')
        [ "$now" -ge "$before" ] || bad "$now rows after $before: something measured was lost"
        before=$now
        [ "$now" -lt 12 ] || break
    done
    study killed
    is $? 0 "exit code after kills"
    is "$(n_rows killed)" 12 "rows after $i kills"
    is "$(n_cells killed)" 12 "cells after $i kills"
}

# Two at once on one file: the second says so and leaves it alone.
test_locked() {
    mkfifo gate
    flock whole/raw/*.jsonl sh -c 'echo held > gate; cat gate > /dev/null' &
    read -r _ < gate
    study whole
    is $? 1 "exit code of a second run"
    has err 'another run is writing to it, expected to be the only one'
    echo end > gate
    wait
}

test_nowhere() {
    : > file
    study file/out
    is $? 1 "exit code without a folder"
    has err 'file.*Not a directory'
}

# A disk of 20 KiB of our own, where the system lets us have one.
test_full() {
    mkdir full
    if ! unshare --user --map-root-user --mount mount -t tmpfs -o size=20k none full 2> /dev/null; then
        echo "SKIP full disk: no mount of our own"
        return
    fi
    cat > in_full << 'SH'
mount -t tmpfs -o size=20k none full || exit 9
"$1" study --configs configs --models-dir models --out full --no-roof > out 2> err < /dev/null
echo $? > code
cat full/raw/*.jsonl > kept
SH
    unshare --user --map-root-user --mount sh in_full "$program"
    is "$(cat code)" 1 "exit code on a full disk"
    has err 'No space left on device'
    n_cases=$((n_cases + 1))
    [ "$(tail -c 2 kept)" = '}' ] || bad "the last row on the full disk is torn"
}

test_mistakes() {
    study x nothing
    is $? 1 "exit code for an unknown experiment"
    has err "nothing.*expected.* e"
    study x --only-models moon
    has err "moon.*expected.*moe"
    sed -i 's/repetitions: 3/repetitons: 3/' configs/experiments.yaml
    study x
    has err 'experiments.yaml.*repetitons'
    sed -i 's/repetitons: 3/repetitions: 3/; s/two\]/three]/' configs/experiments.yaml
    study x
    has err "three.*expected.*one"
}

# A program that only says how it is called.
test_demo() {
    printf '#!/bin/sh\necho "ran $*"\n' > fake
    chmod +x fake
    DEMO_MEMORY_MB=64000 DEMO_DISK_MB=9000 "$source_folder/tools/demo" ./fake m d > out 2> err
    has out '^ran study .*--only-models olmoe-1b-7b,llama-3.2-1b,qwen2.5-1.5b,gemma-2-2b '
    has out '^ran report '
    DEMO_MEMORY_MB=3000 DEMO_DISK_MB=2500 "$source_folder/tools/demo" ./fake m d > out 2> err
    has out 'without olmoe-1b-7b: it needs 4800 MB of memory, 3000 MB are free'
    has out 'without gemma-2-2b: it needs 1709 MB of disk'
    has out '^ran study .*--only-models llama-3.2-1b,qwen2.5-1.5b '
    DEMO_MEMORY_MB=500 DEMO_DISK_MB=9000 "$source_folder/tools/demo" ./fake m d > out 2> err
    has out 'no model of true size fits'
    has out '^ran run .*tiny.gguf'
}

main
