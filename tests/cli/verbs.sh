#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# verbs.sh PROGRAM [SOURCE]: every verb on tiny synthetic models made here, and every kind of bad input with its exact
# line and exit code. Prints what differs; exits 1 on any difference.
set -u
program=$1
source_folder=${2:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
n_cases=0 n_failed=0

main() {
    make_models
    test_help
    test_info
    test_run
    test_run_prompts
    test_logits
    test_tokenize
    test_perplexity_and_compare
    test_check
    test_quantize
    test_synth
    test_fetch_and_machine
    test_usage_errors
    test_operating_errors
    test_streams
    test_nothing_partial
    echo "$n_cases cases, $n_failed failed"
    [ "$n_failed" -eq 0 ]
}

# ---- helpers: run WORDS... leaves files out, err and variable code; the rest judge them ----------------------------

run() {
    n_cases=$((n_cases + 1))
    words=$*
    "$program" "$@" > out 2> err < "${input:-/dev/null}"
    code=$?
}

bad() {
    n_failed=$((n_failed + 1))
    echo "FAIL moescope $words: $*"
    echo "  exit $code; stdout: $(head -c 300 out); stderr: $(head -c 300 err)"
}

is_code() { [ "$code" -eq "$1" ] || bad "exit code $code, expected $1"; }
says() { grep -qE -- "$1" out || bad "stdout lacks /$1/"; }
notes() { grep -qE -- "$1" err || bad "stderr lacks /$1/"; }
quiet() { [ ! -s err ] || bad "stderr is not empty"; }
same() { cmp -s "$1" "$2" || bad "$1 and $2 differ"; }
json() { # an expression over j that must hold
    [ -n "$python" ] || return 0
    "$python" -c "import json; j = json.load(open('out')); assert $1, j" 2> json_err ||
        bad "JSON: not $1 ($(tail -n 1 json_err))"
}
fails() { # fails LINE WORDS...: exit 1, nothing on stdout, exactly this line on stderr
    local line=$1
    shift
    run "$@"
    is_code 1
    [ ! -s out ] || bad "stdout is not empty"
    [ "$(cat err)" = "moescope: $line" ] || bad "expected the line: moescope: $line"
}
misused() { # misused LINE VERB WORDS...: exit 2, the line and a hint
    local line=$1
    shift
    run "$@"
    is_code 2
    [ ! -s out ] || bad "stdout is not empty"
    [ "$(cat err)" = "moescope $1: $line
Try 'moescope help $1'." ] || bad "expected: moescope $1: $line"
}

python=$(command -v python3)
synthetic_note='moe.gguf is synthetic: random weights, good for measuring, not for text'

make_models() {
    run synth tiny-olmoe moe.gguf
    is_code 0
    says '^moe.gguf: synthetic .*MB'
    quiet
    run synth tiny-llama f32.gguf --type F32 --seed 3
    is_code 0
    printf 'once upon a time there was a word' > text
    for _ in 1 2 3 4 5 6 7 8; do cat text; echo; done > long_text
}

# ---- verbs at work ---------------------------------------------------------------------------------

test_help() {
    run help
    is_code 0
    says '^  perplexity  '
    for verb in info run logits tokenize perplexity compare check quantize synth bench study report \
        reproduce fetch machine version help; do
        run help $verb
        is_code 0
        says "^usage: moescope $verb"
        says '^examples$'
        [ "$(awk 'length > 80' out | grep -cv '^  moescope')" -eq 0 ] || bad "a line is wider than 80 columns"
        cp out help_out
        run $verb --help
        is_code 0
        same out help_out
    done
    run --help
    is_code 0
    run version
    is_code 0
    says '^  levels    ref'
    run --version
    is_code 0
    run version --json
    json '"ref" in j["cpu_levels"] and j["physical_cores"] >= 1'
    run help --man
    is_code 0
    if command -v groff > /dev/null; then
        groff -man -ww -Tutf8 out > page 2> warnings || true
        [ ! -s warnings ] || bad "groff warns: $(head -n 1 warnings)"
        grep -q 'repeat' page || bad "the manual page lacks --repeat-penalty"
    fi
    if [ -n "$source_folder" ]; then
        run help --markdown
        cmp -s out "$source_folder/docs/CLI.md" ||
            bad "docs/CLI.md is out of date: moescope help --markdown > docs/CLI.md"
    fi
}

test_info() {
    run info moe.gguf
    is_code 0
    quiet
    says '^  family         olmoe, 2 layers'
    says '^  experts        [0-9]+ per layer, [0-9]+ used'
    says '^  synthetic      yes'
    run info --json moe.gguf
    is_code 0
    json 'j["synthetic"] and j["architecture"] == "olmoe" and j["n_expert"] > j["n_expert_used"] > 0'
    json 'sum(j["class_bytes_per_token"].values()) == j["bytes_per_token"] < j["file_bytes"]'
    json 'sum(t["n_params"] for t in j["types"]) == j["n_params"] > j["n_params_active"]'
    run info f32.gguf
    says '^  family         llama'
}

test_run() {
    run run moe.gguf -p "once upon" --temp 0 -n 12 --no-roof
    is_code 0
    [ -s out ] || bad "no text"
    [ "$(wc -l < err)" -eq 2 ] || bad "stderr has not two lines"
    notes "^moescope: $synthetic_note\$"
    notes '^prefill [0-9]+ tok, .* \| decode 11 tok, .*/token, .* GB/s \| peak RSS .* \| logits [0-9a-f]{16}$'
    cp out greedy
    grep -o 'logits .*' err > hash
    run run moe.gguf -p "once upon" --temp 0 -n 12 --threads 1
    same out greedy
    notes ' = [0-9]+ % of [0-9.]+ GB/s '
    grep -o 'logits .*' err > hash_1
    same hash hash_1
    run run moe.gguf -p "once upon" --temp 0 -n 12 --no-roof --echo
    printf 'once upon' | cat - greedy > echoed
    same out echoed
    run run moe.gguf -p "once upon" --seed 5 -n 30 --no-roof
    cp out seed_5
    run run moe.gguf -p "once upon" --seed 5 -n 30 --no-roof
    same out seed_5
    run run moe.gguf -p "once upon" --seed 6 -n 30 --no-roof
    ! cmp -s out seed_5 || bad "another seed gives the same text"
    run run moe.gguf -p "once upon" --seed 5 -n 30 --temp 2 --top-k 0 --top-p 1 --min-p 0 --no-roof
    ! cmp -s out seed_5 || bad "another temperature gives the same text"
    run run moe.gguf -p "once upon" -n 6 --no-roof --json --kv q8_0 --cpu ref
    is_code 0
    json 'j["generated_tokens"] == 6 and j["decoded_tokens"] == 5 and j["end"] == "length" and j["synthetic"]'
    json 'j["cpu_level"] == "ref" and len(j["logits_sha256"]) == 64 and j["bytes_per_token"] > 0'
    run run moe.gguf -p "once upon" -n 0 --no-roof
    is_code 0
    [ ! -s out ] || bad "text without being asked"
    run run f32.gguf -p "once upon" --temp 0 -n 4 --exact --no-roof
    is_code 0
}

test_run_prompts() {
    run run moe.gguf -f text --temp 0 -n 8 --no-roof
    is_code 0
    cp out from_file
    input=text run run moe.gguf --temp 0 -n 8 --no-roof
    same out from_file
    input=text run run moe.gguf -f - --temp 0 -n 8 --no-roof
    same out from_file
    run run moe.gguf -p "once upon" --temp 0 -n 12 --no-roof
    # the third to the fifth byte of the text as stop text: the two before it remain
    stop=$(head -c 5 out | tail -c 3)
    head -c 2 out > until_stop
    run run moe.gguf -p "once upon" --temp 0 -n 12 --no-roof --stop "$stop" --stop "never met"
    is_code 0
    same out until_stop
    run run moe.gguf -p "once upon" -n -1 --ctx 40 --ignore-eos --no-roof
    is_code 0
    notes '^moescope: the context of 40 tokens is full'
    run run moe.gguf -p "once upon" -n 100000 --ctx 40 --ignore-eos --no-roof --json
    json 'j["end"] == "context" and j["n_ctx"] == 40 and j["prompt_tokens"] + j["decoded_tokens"] == 40'
}

test_logits() {
    run logits moe.gguf --tokens 1,2,3 --out three.f32
    is_code 0
    vocab=$("$program" info moe.gguf --json | sed -n 's/.*"n_vocab": \([0-9]*\).*/\1/p')
    [ "$(wc -c < three.f32)" -eq $((3 * vocab * 4)) ] || bad "three.f32 has $(wc -c < three.f32) bytes"
    printf '1, 2\n3\n' > ids
    run logits moe.gguf --tokens @ids --out listed.f32
    same three.f32 listed.f32
    run logits moe.gguf --tokens 1,2,3 --out -
    same out three.f32
    run logits moe.gguf --tokens 1,2,3 --out stepped.f32 --step
    same stepped.f32 three.f32
    run logits moe.gguf --tokens 1,2,3 --out one_thread.f32 --threads 1
    same one_thread.f32 three.f32
    run logits moe.gguf --tokens 1,2,3 --out full_context.f32 --ctx 3 --kv f16
    same full_context.f32 three.f32
    run logits moe.gguf --tokens 1,2,3 --out exact.f32 --exact
    ! cmp -s exact.f32 three.f32 || bad "exact mode changes nothing"
    seq 1 200 > many
    run logits moe.gguf --tokens @many --out many.f32
    run logits moe.gguf --tokens @many --out many_stepped.f32 --step
    same many.f32 many_stepped.f32
    run logits moe.gguf --tokens 1,2 --out /dev/null
    is_code 0
    [ -c /dev/null ] || bad "/dev/null was replaced"
}

test_tokenize() {
    for text in 'once upon a time' ' two  spaces, \n and a line' 'h\303\251 \342\202\254' ''; do
        printf "$text" > given
        input=given run tokenize f32.gguf
        is_code 0
        [ "$(wc -l < out)" -eq 1 ] || bad "not one line"
        cp out ids
        input=ids run tokenize f32.gguf --decode
        is_code 0
        same out given
        input=given run tokenize f32.gguf --no-bos --no-special
        cp out ids
        input=ids run tokenize f32.gguf --no-bos --decode
        same out given
    done
    printf 'once upon\0a time' > given
    input=given run tokenize moe.gguf --json
    json 'j["bytes"] == 16 and j["n"] == len(j["ids"]) > 0'
    input=given run tokenize moe.gguf
    cp out ids
    input=ids run tokenize moe.gguf --decode
    same out given
    input=ids run tokenize moe.gguf --decode --json
    json 'j["text"] == "once upon\0a time"'
}

test_perplexity_and_compare() {
    run perplexity moe.gguf -f long_text --ctx 32
    is_code 0
    says '^perplexity [0-9.]+ \+/- [0-9.]+$'
    notes "$synthetic_note"
    run perplexity moe.gguf -f long_text --ctx 32 --stride 16 --windows 3 --json
    json 'j["windows"] == 3 and j["scored_tokens"] == 45 and j["perplexity"] > 1 and j["standard_error"] > 0'
    run compare moe.gguf moe.gguf -f long_text --ctx 32 --json
    is_code 0
    json 'j["kl_mean"] == 0 and j["top1_agreement"] == 1 and j["top5_agreement"] == 1 and j["relative_error"] == 0'
    run compare moe.gguf moe.gguf --exact-a --tokens 1,2,3,4 --json
    json 'j["positions"] == 4 and 0 < j["relative_error"] < 0.5 and j["kl_max"] >= j["kl_mean"] > 0'
    run compare exact.f32 three.f32 --vocab "$vocab"
    is_code 0
    says '^positions          3$'
    says '^relative error '
    quiet
}

test_check() {
    for shape in tiny-llama tiny-qwen2 tiny-gemma2 tiny-mixtral; do
        run synth $shape check.gguf
        run check check.gguf --tokens 8
        is_code 0
        says '^verdict: pass$'
    done
    run check moe.gguf --json
    is_code 0
    json 'j["passed"] and [g["name"] for g in j["gates"]] == ["dequantise", "stages", "repeat", "decode", "default"]'
    # weights that are not numbers: the output matrix is the last tensor of this file
    cp f32.gguf broken.gguf
    printf '\377\377\377\377' | dd of=broken.gguf bs=1 seek=$(($(wc -c < broken.gguf) - 4096)) conv=notrunc 2> dd_err
    run check broken.gguf
    is_code 1
    says '^  2  stages      FAIL'
    says '^verdict: FAIL$'
    run perplexity broken.gguf -f long_text --ctx 32
    is_code 1
    [ ! -s out ] || bad "stdout is not empty"
    notes '^moescope: logits: not all are finite numbers '
    run compare f32.gguf broken.gguf -f long_text --ctx 32
    is_code 1
    [ ! -s out ] || bad "stdout is not empty"
    notes '^moescope: logits of A or B: not all are finite numbers '
    fails "tensor blk.1.ffn_down.weight: not all weights are finite, expected no NaN and no infinity" \
        quantize broken.gguf o.gguf Q8_0
}

test_quantize() {
    run quantize f32.gguf q4.gguf Q4_K_M --json
    is_code 0
    json 'j["bytes_out"] < j["bytes_in"] and j["converted"] > 0'
    run quantize f32.gguf mixed.gguf Q4_K_M --tensor-type 'ffn_(gate|up)=Q8_0' --tensor-type ffn_down=F16
    is_code 0
    says '^mixed.gguf: .* tensors converted'
    run info mixed.gguf --json
    json '{"Q8_0", "F16", "Q4_K"} <= {t["name"] for t in j["types"]}'
    run compare f32.gguf mixed.gguf --tokens 1,2,3,4,5,6,7,8 --json
    json '0 < j["relative_error"] < 0.5'
    run quantize q4.gguf again.gguf Q8_0 --allow-requantize
    is_code 0
}

test_synth() {
    run synth --list
    is_code 0
    says '^olmoe-1b-7b'
    run synth --list --json
    is_code 0
    run synth tiny-olmoe again.gguf --threads 1
    same again.gguf moe.gguf
    run synth tiny-olmoe again.gguf --seed 1
    is_code 0
    ! cmp -s again.gguf moe.gguf || bad "another seed gives the same file"
}

# ---- bad input -------------------------------------------------------------------------------------

test_fetch_and_machine() {
    run machine --no-roof
    is_code 0
    quiet
    says '^cores +[0-9]+ physical'
    says '^energy +(not available: .*|rapl|ina3221|tegrastats|battery)'
    run machine --json --threads 1 --seconds 0.01
    is_code 0
    json 'j["ceilings"][0]["threads"] == 1 and j["ceilings"][0]["read_gbps"] > 0'
    json '(j["energy_source"] is None) == bool(j["energy_reason"])'
    json 'j["ceilings"][0]["handoff_ns"] is None'
    json 'j["scaling"] is None and all(p["weights_gbps"] > 0 and p["gops"] > 0 for p in j["products"])'
    json '{"Q4_K", "Q6_K", "Q8_0", "F16"} <= {p["type"] for p in j["products"]}'
    json 'all((p["read_gbps"] is not None) == (p["tokens"] == 1) for p in j["products"])'
    cp out kept.json
    run machine --from kept.json
    is_code 0
    says '^\| Q4_K( \| [0-9.]+){4} \| [0-9]+ %( \| [0-9]+){5} \| [0-9]+ % \|$'
    run machine --from kept.json -o csv
    says '^Q6_K,2048,2048,512,1,[0-9.]+,,,[0-9.]+,[0-9.]+,'
    is_code 0
    printf '{"products": []}' > kept.json
    fails "kept.json: no products, expected the output of 'moescope machine --json'" machine --from kept.json
    printf '{' > kept.json
    run machine --from kept.json
    is_code 1
    notes '^moescope: kept.json: line 1: '
    rm kept.json
    run machine --json --threads 1,2 --seconds 0.01 --no-products
    is_code 0
    json 'all(isinstance(c["handoff_ns"], (float, type(None))) for c in j["ceilings"])'
    json 'j["products"] == [] and j["scaling"]["threads_to"] == 2 and j["scaling"]["fp32"] > 0.1'
    run machine --threads 0
    is_code 1
    notes "^moescope: --threads: '0', expected numbers 1 to 1024"
    mkdir configs
    printf 'models:\n  - {id: m, label: M, role: moe, file: m.gguf, quant: Q8_0,\n' > configs/models.yaml
    printf '     stand_in: {shape: tiny-olmoe, recipe: Q8_0, seed: 1}}\n' >> configs/models.yaml
    run fetch --list
    is_code 0
    says '^m +not published'
    mkdir -p models/m
    printf 1234 > models/m/m.gguf.partial
    run fetch --list --json m
    json 'j["models"][0]["state"] == "interrupted" and j["models"][0]["bytes"] == 4'
    fails "model: 'x' is not known, expected one of m" fetch x
    fails "m: neither url nor repo in models.yaml; 'moescope synth' makes a stand-in" fetch m
    rm -r configs models
}

test_usage_errors() {
    run
    is_code 2
    notes '^usage: moescope VERB'
    run inof x
    is_code 2
    [ "$(cat err)" = "moescope: unknown verb 'inof', did you mean 'info'?
Try 'moescope help'." ] || bad "another line"
    run help nothing
    is_code 2
    misused "missing argument MODEL" info
    misused "unexpected argument 'b'" info a b
    misused "unknown option '--tmep', did you mean '--temp'?" run m --tmep 1
    misused "unknown option '-prompt', did you mean '--prompt'?" run m -prompt x
    misused "option -n: value '-2', expected a whole number from -1 to 16777216" run m -p x -n -2
    misused "option --temp: value '-1', expected a number from 0 to 100" run m -p x --temp -1
    misused "option --top-p: value '1.5', expected a number from 0 to 1" run m -p x --top-p=1.5
    misused "option --threads: value '2000', expected a whole number from 0 to 1024" run m -p x --threads 2000
    misused "option --kv: value 'f8', expected one of f16|q8_0|f32" run m -p x --kv f8
    misused "option --seed: value '-1', expected a whole number of 64 bits" run m -p x --seed -1
    misused "option --stop: value '', expected a text" run m -p x --stop ''
    misused "option -n needs a value N" run m -p x -n
    misused "option --exact takes no value" run m -p x --exact=yes
    misused "-p and -f exclude each other" run m -p x -f y
    misused "--out FILE is missing" logits m --tokens 1
    misused "--tokens LIST is missing" logits m --out x
    misused "-f TEXT is missing" perplexity m
    misused "what to compare on is missing: -f TEXT, --tokens LIST or --vocab N" compare a b
    misused "-f, --tokens and --vocab exclude each other" compare a b -f x --vocab 5
    misused "option --vocab: expected at least 5" compare a b --vocab 4
    misused "missing argument RECIPE" quantize a b
    misused "missing argument OUT" synth tiny-olmoe
    misused "missing argument SHAPE (see --list)" synth
}

test_operating_errors() {
    mkdir folder
    head -c 100000 f32.gguf > cut.gguf
    printf 'no model' > text_file
    : > empty
    for verb in info tokenize check; do
        fails "file missing.gguf: cannot open: No such file or directory" $verb missing.gguf
    done
    fails "file missing.gguf: cannot open: No such file or directory" run missing.gguf -p x
    fails "file folder: is a directory, expected a regular file" info folder
    for file in cut.gguf text_file empty; do
        for words in "info $file" "run $file -p x" "check $file" "logits $file --tokens 1 --out o.f32" \
            "quantize $file o.gguf Q8_0"; do
            # shellcheck disable=SC2086
            run $words
            is_code 1
            [ "$(wc -l < err)" -eq 1 ] || bad "not one line on stderr"
            notes '^moescope: .*: .'
        done
    done
    fails "prompt: empty, expected at least one byte of text" run moe.gguf -p ''
    fails "prompt: empty, expected at least one byte of text" run moe.gguf
    fails "file missing: cannot read: No such file or directory" run moe.gguf -f missing
    fails "file folder: cannot read: Is a directory" run moe.gguf -f folder
    n=$("$program" tokenize moe.gguf 2> err < text | wc -w)
    fails "prompt: $n tokens, expected at most the 2 left in a context of 2 (--ctx)" run moe.gguf -f text --ctx 2
    fails 'CPU level: "avx9" is unknown, expected one of '"$("$program" version | sed -n 's/^  levels    //p' |
        sed 's/ /, /g')" run moe.gguf -p x --cpu avx9
    for word in "$vocab" -1 x 1.5; do
        fails "token '$word': expected a token id from 0 to $((vocab - 1))" \
            logits moe.gguf --tokens "1,$word" --out o.f32
    done
    fails "token list: empty, expected at least one id" logits moe.gguf --tokens '' --out o.f32
    fails "token list: 3 tokens, expected at most the context of 2 (--ctx)" \
        logits moe.gguf --tokens 1,2,3 --ctx 2 --out o.f32
    fails "file missing: cannot read: No such file or directory" logits moe.gguf --tokens @missing --out o.f32
    fails "file folder/none/o: cannot create: No such file or directory" \
        logits moe.gguf --tokens 1 --out folder/none/o
    input=text fails "token 'once': expected a token id from 0 to $((vocab - 1))" tokenize moe.gguf --decode
    fails "text: $n tokens, expected at least the 512 of a window (--ctx)" perplexity moe.gguf -f text
    fails "window: 3 tokens, expected at least 4 (--ctx)" perplexity moe.gguf -f text --ctx 3
    fails "file empty: empty, expected text" perplexity moe.gguf -f empty
    fails "file text: 33 bytes, expected rows of 5 floats (--vocab)" compare text text --vocab 5
    fails "file exact.f32: 3 rows, expected the 200 of A" compare many.f32 exact.f32 --vocab "$vocab"
    fails "tensor type 'x': expected PATTERN=TYPE, the pattern of 1 to 127 bytes" \
        quantize f32.gguf o.gguf Q8_0 --tensor-type x
    fails "tensor type 'x=y': unknown type 'y', expected one such as Q4_K or F16" \
        quantize f32.gguf o.gguf Q8_0 --tensor-type x=y
    fails "pattern ffn_gates: matches no tensor, expected at least one that can be quantised and that \
no pattern before it has taken" quantize f32.gguf o.gguf Q8_0 --tensor-type ffn_gates=Q4_0
    run quantize f32.gguf o.gguf Q9
    is_code 1
    notes '^moescope: recipe Q9: unknown, expected one of Q8_0 '
    run quantize f32.gguf f32.gguf Q8_0
    is_code 1
    run quantize q4.gguf o.gguf Q8_0
    is_code 1
    run synth nothing o.gguf
    is_code 1
    notes '^moescope: shape nothing: unknown, expected one of '
    fails "file folder: not a regular file, expected a file to write" synth tiny-olmoe folder
    run synth tiny-olmoe folder/none/o.gguf
    is_code 1
}

# A reader that leaves ends the program quietly; a full disk is told.
test_streams() {
    if [ -c /dev/full ]; then
        n_cases=$((n_cases + 1)) words='info > /dev/full'
        "$program" info moe.gguf > /dev/full 2> err
        code=$?
        is_code 1
        [ "$(cat err)" = "moescope: standard output: cannot write: No space left on device" ] || bad "another line"
        run logits f32.gguf --tokens 1 --out /dev/full
        is_code 1
        notes '^moescope: file /dev/full: cannot complete: No space left on device$'
    fi
    n_cases=$((n_cases + 1)) words='info | true'
    { "$program" info moe.gguf 2> err; echo $? > code_file; } | true
    code=$(cat code_file)
    is_code 0
    quiet
    n_cases=$((n_cases + 1)) words='run | head'
    { "$program" run moe.gguf -p "once upon" -n -1 --ignore-eos --no-roof 2> err; echo $? > code_file; } |
        head -c 5 > out
    code=$(cat code_file)
    is_code 0
    n_cases=$((n_cases + 1)) words='version >&-'
    "$program" version >&- 2> err
    code=$?
    is_code 1
    for words in 'synth tiny-olmoe o.gguf --type F32' "logits f32.gguf --tokens @many --out o.f32"; do
        n_cases=$((n_cases + 1))
        # shellcheck disable=SC2086
        (ulimit -f 50; exec "$program" $words) 2> err > out
        code=$?
        is_code 1
        notes '^moescope: file .*: File too large$'
    done
}

test_nothing_partial() {
    n_cases=$((n_cases + 1)) words='(any failure)'
    [ ! -e o.f32 ] && [ ! -e o.gguf ] || bad "a failed verb left its output"
    find . -name '*.partial' > partial
    [ ! -s partial ] || bad "left behind: $(cat partial)"
    [ -z "$(ls folder)" ] || bad "left in the folder: $(ls folder)"
}

main
