#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# memory.sh PROGRAM: a model needs its file once. Peak memory of a prompt and some tokens is at most 1.05 x file + cache +
# 100 MB, mapped and read into memory, on a synthetic model of true shape (0.8 GB). Exits 77 where the disk is too small.
set -u
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
if [ "$(df --output=avail -k . | tail -1)" -lt 1500000 ]; then
    echo "SKIP: less than 1.5 GB of disk in $folder"
    exit 77
fi
"$program" synth llama-3.2-1b model.gguf > out 2>&1 || { cat out; exit 1; }
file_bytes=$(wc -c < model.gguf)
n_failed=0
seq -s ' ' 1 70 > prompt
for how in '' --copy; do
    "$program" run model.gguf -f prompt -n 8 --ignore-eos --ctx 2048 --no-roof --json $how > out 2> err || { cat err; exit 1; }
    peak=$(sed -n 's/.*"peak_rss_bytes": \([0-9]*\).*/\1/p' out)
    cache=$(sed -n 's/.*"kv_bytes": \([0-9]*\).*/\1/p' out)
    most=$((file_bytes + file_bytes / 20 + cache + 100000000))
    echo "${how:-mapped}: peak $peak, file $file_bytes, cache $cache, at most $most"
    if [ "$peak" -gt "$most" ] || [ "$peak" -lt $((file_bytes / 2)) ]; then
        echo "FAIL: peak $peak, expected $((file_bytes / 2)) to $most"
        n_failed=$((n_failed + 1))
    fi
done
exit $((n_failed > 0))
