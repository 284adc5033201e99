#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench.sh PROGRAM: engines side by side from the command line, one of them a script that answers like llama-bench, and the
# tables made from their rows. Prints what differs; exits 1 on any difference, 77 where the build knows no commit.
set -u
# shellcheck source=expect.sh
source "$(dirname "$0")/expect.sh"
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

main() {
    if "$program" version | grep -q 'commit *unknown'; then
        echo "SKIP: built outside a git checkout, so rows are refused"
        exit 77
    fi
    "$program" synth tiny-qwen3moe moe.gguf --type Q8_0 --seed 1 > out 2> err || bad "no model"
    "$program" synth tiny-llama dense.gguf --type Q8_0 --seed 1 > out 2> err || bad "no model"
    fake > llama-bench
    chmod +x llama-bench
    test_versus
    test_show
    test_csv
    test_moved
    test_mistakes
    echo "$n_cases cases, $n_failed failed"
    [ "$n_failed" -eq 0 ]
}

column() { # column NAME FILE WHERE: of the line of a csv without quoted commas that has WHERE
    awk -F, -v name="$1" -v where="$3" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR > 1 && index($0, where) { print $at[name] }' "$2"
}

# 16 tokens of prompt in 16 ms, 4 tokens in 80 ms; 0.1 % more in every start.
fake() {
    cat << 'SH'
#!/bin/sh
[ "$1" = --help ] && exit 0
echo x >> "$0.starts"
n=$((1000 + $(wc -l < "$0.starts")))
echo '[{"build_commit": "3f5", "build_number": 7, "n_prompt": 16, "n_gen": 0, "avg_ns": '$((16000 * n))'},'
echo ' {"build_commit": "3f5", "build_number": 7, "n_prompt": 0, "n_gen": 4, "avg_ns": '$((80000 * n))'}]'
SH
}

test_versus() {
    "$program" bench moe.gguf dense.gguf -t 1 --test pp16,tg4 -r 3 --engine own \
        --engine "llama.cpp:$folder/llama-bench,name=other" --append rows.jsonl > out 2> err
    is $? 0 "exit code"
    is "$(grep -c '^| moe.gguf .*| moescope ' out)" 2 "rows of the own engine"
    has out '^\| moe.gguf +\| pp16 +\| other +\| +99[0-9]\.[0-9]+ \| 99[0-9]\.[0-9]+ \.\. 99[0-9]\.[0-9]+ +\| +3 \| +[0-9.]+ \| +[0-9]+ % \|'
    has out '^\| dense.gguf +\| tg4 +\| other +\| +49\.[0-9]+ \| .* \| +3 \| +[0-9.]+ \| +[0-9]+ % \|'
    has out '^of roof: decode of the read bandwidth, [0-9.]+ to [0-9.]+ GB/s; prefill of the int8 peak'
    is "$(wc -l < rows.jsonl)" 8 rows
    has rows.jsonl '"roof_read_gbps_samples":\[[0-9.]+,[0-9.]+,[0-9.]+\]'
    has rows.jsonl '"test":"pp16".*"roof_int8_gops_samples":\[[0-9.]+,[0-9.]+,[0-9.]+\]'
    has rows.jsonl '"test":"tg4".*"roof_int8_gops_samples":null'
    has rows.jsonl '"roof_read_drift_share":[0-9.e-]+,'
    has rows.jsonl '"engine_detail":"llama-bench 7 \(3f5\), random tokens"'
    is "$(grep -c '"peak_rss_bytes":[1-9]' rows.jsonl)" 8 "rows with a peak memory"
}

test_show() {
    "$program" bench show rows.jsonl > page 2> err
    is $? 0 "exit code of show"
    has page '^- other: llama-bench 7 \(3f5\), random tokens$'
    has page '^- threads: 1$'
    grep '^| moe' out > expected
    while read -r line; do
        n_cases=$((n_cases + 1))
        grep -qxF -- "$line" page || bad "show lacks the line: $line"
    done < expected
    has page '^\| moe.gguf +\| dense.gguf +\| tg4 +\| other +\| +1\.00 \| +[0-9.]+ \| +[0-9]+ % \|'
    "$program" bench show rows.jsonl | cmp -s - page
    is $? 0 "the same page again"
}

test_csv() {
    "$program" bench show rows.jsonl -o csv > table.csv 2> err
    is "$(wc -l < table.csv)" 9 "lines of the table"
    sed -i 's/"[^"]*"/detail/' table.csv
    is "$(column of_first table.csv 'moe.gguf,pp16,moescope')" 1 "own over own"
    is "$(column of_read_roof table.csv 'moe.gguf,pp16,other')" '' "read share of a prompt"
    is "$(column of_int8_peak table.csv 'moe.gguf,tg4,other')" '' "int8 share of a generation"
    awk -v bytes="$(column bytes_per_token table.csv 'moe.gguf,tg4,moescope')" \
        -v rate="$(column tps_median table.csv 'moe.gguf,tg4,other')" \
        -v roof="$(column roof_read_gbps table.csv 'moe.gguf,tg4,other')" \
        -v share="$(column of_read_roof table.csv 'moe.gguf,tg4,other')" \
        'BEGIN { x = bytes * rate / roof / 1e9 / share; exit !(share > 0 && x > 0.8 && x < 1.25) }'
    is $? 0 "share of the roof of another engine by the bytes of the own"
    "$program" bench show rows.jsonl -o csv --ratios > ratios.csv 2> err
    is "$(wc -l < ratios.csv)" 3 "lines of the ratios"
    awk -v moe="$(column bytes_per_token table.csv 'moe.gguf,tg4,moescope')" \
        -v dense="$(column bytes_per_token table.csv 'dense.gguf,tg4,moescope')" \
        -v ratio="$(column bytes ratios.csv ',other,')" \
        'BEGIN { x = dense / moe / ratio; exit !(x > 0.9999 && x < 1.0001) }'
    is $? 0 "ratio of bytes"
}

# Rows whose first sample, and then all of whose samples, have no roof.
test_moved() {
    local list='"roof_read_gbps_samples":\['
    grep '"moe.gguf"' rows.jsonl | grep '"tg4"' | sed -E \
        -e "s/$list[^]]*/\"roof_read_gbps_samples\":[null,20,40/" \
        -e "s/\"decode_tps_samples\":\[[^]]*/\"decode_tps_samples\":[70,30,50/" \
        -e 's/"bytes_per_token":[0-9.]+/"bytes_per_token":4e8/' > moved.jsonl
    "$program" bench show moved.jsonl > out 2> err
    is $? 0 "exit code of show with a sample that has no roof"
    is "$(grep -c '^| moe.gguf .* |    55 % |' out)" 2 "median share of the other samples"
    is "$(grep -c '^### ' out)" 2 "sides of 28.3 GB/s"
    has out '^### Less than 28.3 GB/s$'
    is "$(grep -cE '^\| moe.gguf .* 30\.00 \| 30\.00 \.\. 30\.00 +\| +1 \| +1\.00 \| +60 % \|' out)" 2 "less memory"
    is "$(grep -cE '^\| moe.gguf .* 50\.00 \| 50\.00 \.\. 50\.00 +\| +1 \| +1\.00 \| +50 % \|' out)" 2 "more memory"
    "$program" bench show moved.jsonl -o csv --roof high > table.csv 2> err
    sed -i 's/"[^"]*"/detail/' table.csv
    is "$(column tps_median table.csv 'moe.gguf,tg4,other')" 50 "rate of the samples of one side"
    is "$(column roof_read_gbps table.csv 'moe.gguf,tg4,other')" 40 "read bandwidth beside them"
    sed -i -E "s/$list[^]]*/\"roof_read_gbps_samples\":[null,null,null/" moved.jsonl
    "$program" bench show moved.jsonl --roof low > out 2> err
    is $? 1 "exit code of a side where there is none"
    has err '^moescope: --roof: low, but the samples had one read bandwidth, expected two$'
    "$program" bench show moved.jsonl > out 2> err
    is "$(grep -c '^| moe.gguf .* |       - |' out)" 2 "no share where no sample has a roof"
    "$program" bench show moved.jsonl -o csv > table.csv 2> err
    sed -i 's/"[^"]*"/detail/' table.csv
    is "$(column of_read_roof table.csv 'moe.gguf,tg4,other')" '' "nor in the csv"
    is "$(column roof_handoff_ns table.csv 'moe.gguf,tg4,other')" '' "no way to a core that is not there"
    test_moved_prompt
}

# Of a prompt the shares 0.16, 0.2 and 0.12; then the same row from before each sample had a peak.
test_moved_prompt() {
    local list='"roof_int8_gops_samples":'
    grep '"moe.gguf"' rows.jsonl | grep '"pp16"' | sed -E \
        -e "s/$list\[[^]]*/$list[500,400,800/" \
        -e 's/("prefill_tps_samples":)\[[^]]*/\1[40,40,48/' \
        -e 's/("prefill_tps_median":)[0-9.]+/\140/' \
        -e 's/"roof_int8_gops":[0-9.]+/"roof_int8_gops":800/' \
        -e 's/"prefill_flops":[0-9]+/"prefill_flops":32000000000/' > prompt.jsonl
    "$program" bench show prompt.jsonl > out 2> err
    is "$(grep -c '^| moe.gguf .* |    16 % |' out)" 2 "median share of a prompt, each sample of its peak"
    sed -i -E "s/$list\[[^]]*\]/$list""null/" prompt.jsonl
    "$program" bench show prompt.jsonl > out 2> err
    is "$(grep -c '^| moe.gguf .* |    10 % |' out)" 2 "share of a row without a list of peaks"
    sed -i -E "s/,$list""null//" prompt.jsonl
    "$program" bench show prompt.jsonl > out 2> err
    is "$(grep -c '^| moe.gguf .* |    10 % |' out)" 2 "share of a row of before"
}

test_mistakes() {
    "$program" bench show > out 2> err
    is $? 2 "exit code without a file"
    has err 'show needs a file of rows'
    "$program" bench show nowhere.jsonl > out 2> err
    is $? 1 "exit code of a file that is not there"
    has err '^moescope: .*nowhere.jsonl'
    : > empty.jsonl
    "$program" bench show empty.jsonl > out 2> err
    is $? 1 "exit code without rows"
    has err 'empty.jsonl: no row of a bench, expected at least one'
    "$program" bench show rows.jsonl -o json > out 2> err
    is $? 1 "exit code of another format"
    has err 'json, expected md or csv of show'
}

main
