/* SPDX-License-Identifier: MIT */
/* Programs that pretend to be llama.cpp's: they check their arguments, print, hang and crash. */
#include "measure/driver.h"

#include "measure/fit_text.h"
#include "measure/program.h"
#include "unit.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64], program[128], model[128];
static char options[128]; /* of the engine, behind the path */
static struct record record;
static const struct driver_class *class; /* as driver_choose says */
static struct driver *driver;
static struct driver_marks marks;
static struct mscope_error err;

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_program(const char *name, const char *script)
{
    snprintf(program, sizeof program, "%s/%s", folder, name);
    char text[8192];
    snprintf(text, sizeof text, "#!/bin/sh\n%s", script);
    write_file(program, text, 0755);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/moescope_llama_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(model, sizeof model, "%s/model.gguf", folder);
    write_file(model, "GGUF", 0644);
    record_init(&record);
    memset(&err, 0, sizeof err);
    driver = NULL;
    options[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (driver != NULL) {
        class->close(&driver);
    }
    record_free(&record);
    remove(program);
    remove(model);
    char arguments[128];
    snprintf(arguments, sizeof arguments, "%s/arguments", folder);
    remove(arguments);
    return rmdir(folder);
}

static enum mscope_status open_driver(double timeout_s)
{
    char text[300];
    const char *target;
    snprintf(text, sizeof text, "llama.cpp:%s%s", program, options);
    assert_ok(driver_choose(&class, &target, text, &err), &err);
    struct driver_settings settings = {.target = target,
                                       .model_path = model,
                                       .model_id = "m",
                                       .n_threads = 3,
                                       .n_ctx = 400,
                                       .n_batch = 128,
                                       .kv_type = "f16",
                                       .timeout_s = timeout_s,
                                       .seed = 42};
    return class->open(&driver, &settings, &record, &err);
}

static enum mscope_status run_text(const char *text, int n_gen)
{
    struct driver_task task = {.prompt = text, .n_bytes = strlen(text), .n_gen = n_gen};
    return class->run(driver, &task, &record, &marks, &err);
}

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) < 1e-9 * (1 + fabs(expected)))) {
        fail_msg("%.12g, expected %.12g", actual, expected);
    }
}

static void assert_says(const char *part)
{
    char text[800];
    mscope_error_text(&err, text, sizeof text);
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\", expected \"%s\" in it", text, part);
    }
}

#define VERSION_OR                                                                                 \
    "if [ \"$1\" = --version ]; then echo 'version: 4567 (abcdef0)' >&2; exit 0; fi\n"
#define FOOTER                                                                                     \
    "cat >&2 <<'END'\n"                                                                            \
    "llama_perf_sampler_print:    sampling time =      12.00 ms /   264 runs\n"                    \
    "llama_perf_context_print:        load time =     541.00 ms\n"                                 \
    "llama_perf_context_print: prompt eval time =     200.00 ms /    40 tokens\n"                  \
    "llama_perf_context_print:        eval time =    1500.00 ms /    15 runs\n"                    \
    "llama_perf_context_print:       total time =    1800.00 ms /    55 tokens\n"                  \
    "END\n"

static void a_row_from_the_footer(void **state)
{
    (void)state;
    char script[4096];
    snprintf(script, sizeof script,
             VERSION_OR "printf '%%s\\n' \"$@\" > %s/arguments\necho some text\n" FOOTER, folder);
    write_program("llama-completion", script);
    assert_ok(open_driver(20), &err);
    assert_string_equal(record.engine_detail, "llama-completion 4567 (abcdef0)");
    assert_ok(run_text("Say \"hello\" $HOME; now", 16), &err);
    assert_int_equal(record.prompt_tokens, 40);
    assert_int_equal(record.n_gen, 16);
    assert_near(record.load_ms, 541);
    assert_near(record.prefill_ms, 200);
    assert_near(record.prefill_tps, 200);
    assert_near(record.decode_ms, 1500);
    assert_near(record.decode_tps, 10);
    assert_near(record.tpot_ms_mean, 100);
    assert_near(record.sampling_ms, 12);
    assert_true(record.wall_ms > 0);
    assert_true(record.peak_rss_bytes > 0);
    /* What it cannot tell is null, not zero. */
    assert_true(isnan(record.ttft_ms) && isnan(record.tpot_ms_p99) &&
                isnan(record.bytes_per_token));
    assert_null(record.token_ms.values);
    assert_int_equal(record.decode_flops, RECORD_NO_INT);
    assert_int_equal(record.decode_phase_ns.of[0], RECORD_NO_INT);
    char path[128], arguments[4096] = "";
    snprintf(path, sizeof path, "%s/arguments", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(arguments, 1, sizeof arguments - 1, file) > 0);
    fclose(file);
    static const char *const expected[] = {
        "-t\n3\n",     "-b\n128\n",      "-p\nSay \"hello\" $HOME; now\n",
        "-n\n16\n",    "-s\n42\n",       "-c\n512\n",
        "--temp\n0\n", "--ignore-eos\n", "-no-cnv\n"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(arguments, expected[i]) == NULL) {
            fail_msg("no \"%s\" in \"%s\"", expected[i], arguments);
        }
    }
    assert_null(strstr(arguments, "--no-escape"));
}

static void a_backslash_of_the_prompt_stays_one(void **state)
{
    (void)state;
    write_program("llama-completion",
                  VERSION_OR "case \"$*\" in *--no-escape*) ;; *) exit 3;; esac\n" FOOTER);
    assert_ok(open_driver(20), &err);
    assert_ok(run_text("print(\"a\\n\")", 16), &err);
}

static void a_program_that_fails_says_why(void **state)
{
    (void)state;
    write_program("llama-completion",
                  VERSION_OR "echo 'loading' >&2\necho 'error: unknown model architecture' >&2\n"
                             "exit 7\n");
    assert_ok(open_driver(20), &err);
    assert_int_equal(run_text("hello", 4), MSCOPE_ERR_IO);
    assert_says("llama-completion");
    assert_says("exit code 7: error: unknown model architecture");
    assert_null(record.status); /* the runner says "failed" */
    /* It may be used again. */
    write_program("llama-completion", VERSION_OR FOOTER);
    assert_ok(run_text("hello", 16), &err);
    assert_int_equal(record.prompt_tokens, 40);
}

static void a_crash_is_named(void **state)
{
    (void)state;
    write_program("llama-completion", VERSION_OR FOOTER "kill -SEGV $$\n");
    assert_ok(open_driver(20), &err);
    assert_int_equal(run_text("hello", 4), MSCOPE_ERR_IO);
    assert_says("signal 11");
    write_program("llama-completion", VERSION_OR "kill -KILL $$\n");
    assert_int_equal(run_text("hello", 4), MSCOPE_ERR_MEMORY);
    assert_says("memory");
}

static void a_program_that_hangs_is_ended_with_its_children(void **state)
{
    (void)state;
    write_program("llama-completion", VERSION_OR "sleep 1000 &\necho started\nwait\n");
    assert_ok(open_driver(0.3), &err);
    assert_int_equal(run_text("hello", 4), MSCOPE_ERR_IO);
    assert_string_equal(record.status, "timeout");
    assert_says("not done after 0.3 s");
}

static void broken_footers_are_no_rows(void **state)
{
    (void)state;
    write_program("llama-completion", VERSION_OR "echo text\n");
    assert_ok(open_driver(20), &err);
    assert_int_equal(run_text("hello", 4), MSCOPE_ERR_FORMAT);
    assert_says("no performance footer");
    write_program("llama-completion", VERSION_OR
                  "echo 'prompt eval time = 20.00 ms / 4 tok' >&2\nprintf 'eval time = 12' "
                  ">&2\n");
    record_free(&record);
    assert_ok(run_text("hello", 4), &err); /* cut: what is whole, the rest null */
    assert_near(record.prefill_ms, 20);
    assert_int_equal(record.prompt_tokens, RECORD_NO_INT);
    assert_true(isnan(record.prefill_tps) && isnan(record.decode_ms) && isnan(record.decode_tps));
    assert_int_equal(record.n_gen, RECORD_NO_INT);
}

static void the_chat_program_gives_rates_only(void **state)
{
    (void)state;
    write_program(
        "llama-cli",
        "if [ \"$1\" = --version ]; then echo 'version: 0.1.0-dev (build 10453, commit 3c)'"
        " >&2; exit 0; fi\ncase \"$*\" in *-no-cnv*) exit 9;; *-st*) ;; esac\n"
        "echo '[ Prompt: 420.5 t/s | Generation: 105.2 t/s ]'\n");
    assert_ok(open_driver(20), &err);
    assert_ok(run_text("hello", 16), &err);
    assert_near(record.prefill_tps, 420.5);
    assert_near(record.decode_tps, 105.2);
    assert_true(isnan(record.prefill_ms) && record.n_gen == RECORD_NO_INT);
}

static void endless_output_is_no_danger(void **state)
{
    (void)state;
    write_program("llama-completion",
                  VERSION_OR "head -c 20000000 /dev/zero | tr '\\0' 'x'\n"
                             "head -c 20000000 /dev/zero | tr '\\0' 'y' >&2\n" FOOTER);
    assert_ok(open_driver(60), &err);
    assert_ok(run_text("hello", 16), &err);
    assert_int_equal(record.prompt_tokens, 40);
}

static void programs_and_models_that_are_not_there(void **state)
{
    (void)state;
    snprintf(program, sizeof program, "%s/none", folder);
    assert_int_equal(open_driver(1), MSCOPE_ERR_IO);
    assert_null(driver);
    assert_says("none");
    snprintf(program, sizeof program, "%s", folder);
    assert_int_equal(open_driver(1), MSCOPE_ERR_IO);
    assert_says("not a program");
    snprintf(program, sizeof program, "%s/llama-completion", folder);
    write_file(program,
               "\x7f"
               "ELF but not really",
               0755);
    assert_int_equal(open_driver(1), MSCOPE_ERR_IO);
    assert_says("start");
    write_program("llama-completion", VERSION_OR);
    remove(model);
    assert_int_equal(open_driver(1), MSCOPE_ERR_IO);
    assert_says("model.gguf");
}

static void what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    write_program("llama-completion", VERSION_OR FOOTER);
    assert_ok(open_driver(20), &err);
    struct driver_task random = {.n_tokens = 16, .n_gen = 4};
    assert_int_equal(class->run(driver, &random, &record, &marks, &err), MSCOPE_ERR_ARGUMENT);
    assert_says("llama-bench");
    char *text = malloc(200001);
    assert_non_null(text);
    memset(text, 'a', 200000);
    text[200000] = '\0';
    assert_int_equal(run_text(text, 4), MSCOPE_ERR_ARGUMENT);
    free(text);
}

/* A llama-bench: one row for each -p, -n and -gp, a millisecond for a token of a prompt, twenty for
 * one made, two repetitions apart by a tenth. Every start is a line of the file `arguments`. */
#define BENCH_SCRIPT                                                                               \
    "echo \"$*\" >> \"$0.arguments\"\ndepth=0 out='' reps=1\n"                                     \
    "row() {\n"                                                                                    \
    "samples=\"$4\"; [ $reps = 2 ] && samples=\"$(($4 * 9 / 10)), $(($4 * 11 / 10))\"\n"           \
    "out=\"$out${out:+,}{\\\"build_commit\\\": \\\"3f5\\\", \\\"build_number\\\": 10587, "         \
    "\\\"model_n_params\\\": 77, \\\"n_prompt\\\": $1, \\\"n_gen\\\": $2, \\\"n_depth\\\": $3, "   \
    "\\\"avg_ns\\\": $4, \\\"samples_ns\\\": [$samples]}\"; }\n"                                   \
    "for w in \"$@\"; do case $last in -d) depth=$w;; -r) reps=$w;; esac; last=$w; done\n"         \
    "while [ $# -gt 0 ]; do case $1 in\n"                                                          \
    "-p) [ $2 = 0 ] || row $2 0 $depth $(($2 * 1000000));;\n"                                      \
    "-n) [ $2 = 0 ] || row 0 $2 $depth $(($2 * 20000000));;\n"                                     \
    "-gp) row ${2%,*} ${2#*,} 0 $((${2#*,} * 40000000));; esac; shift; done\n"                     \
    "echo \"[$out]\"\n"
#define HELP_WITH_DEPTH                                                                            \
    "if [ \"$1\" = --help ]; then echo '  --no-warmup'; echo '  -d, --n-depth <n>'; exit 0; fi\n"
#define HELP_WITH_PAIRS                                                                            \
    "if [ \"$1\" = --help ]; then echo '  -gp <pp,tg>'; echo '  -w, --warmup <0|1>'; exit 0; fi\n"

static void read_starts(char text[4096])
{
    char path[160];
    snprintf(path, sizeof path, "%s.arguments", program);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, 4095, file);
    text[n] = '\0';
    fclose(file);
    remove(path);
}

static void a_row_from_llama_bench(void **state)
{
    (void)state;
    write_program("llama-bench", HELP_WITH_DEPTH BENCH_SCRIPT);
    snprintf(options, sizeof options, ",name=tuned,args=-fa 1");
    assert_ok(open_driver(20), &err);
    assert_ptr_equal(class, &driver_llama_bench);
    assert_string_equal(record.engine_detail, "llama-bench");
    struct driver_task task = {.n_tokens = 50, .n_gen = 11, .n_depth = 8};
    assert_ok(class->run(driver, &task, &record, &marks, &err), &err);
    assert_string_equal(record.engine_detail, "llama-bench 10587 (3f5), random tokens -fa 1");
    assert_int_equal(record.prompt_tokens, 50);
    assert_int_equal(record.n_gen, 11);
    assert_int_equal(record.n_depth, 8);
    assert_int_equal(record.params_total, 77);
    assert_near(record.prefill_ms, 50);
    assert_near(record.prefill_tps, 1000);
    assert_near(record.decode_ms, 200); /* ten steps after the first token */
    assert_near(record.decode_tps, 50);
    char starts[4096];
    read_starts(starts);
    assert_non_null(strstr(starts, "-o json -fa 1\n"));
    struct driver_task text = {.prompt = "hello", .n_bytes = 5, .n_gen = 4};
    assert_int_equal(class->run(driver, &text, &record, &marks, &err), MSCOPE_ERR_ARGUMENT);
    assert_says("llama-completion takes texts");
}

static const struct driver_test four_tests[] = {{64, 0, 0}, {0, 8, 0}, {128, 0, 0}, {0, 8, 512}};

static void run_four_tests(struct record rows[4], const char *expected_starts)
{
    char starts[4096];
    for (int i = 0; i < 4; i++) {
        record_init(&rows[i]);
    }
    assert_ok(open_driver(20), &err);
    assert_ok(class->run_all(driver, four_tests, 4, 2, rows, &err), &err);
    read_starts(starts);
    char *model_at;
    while ((model_at = strstr(starts, model)) != NULL) {
        memmove(model_at, model_at + strlen(model), strlen(model_at + strlen(model)) + 1);
    }
    assert_string_equal(starts, expected_starts);
    assert_int_equal(rows[0].prefill_tps_samples.n, 2);
    assert_near(rows[0].prefill_tps_samples.values[0], 1000 / 0.9);
    assert_near(rows[2].prefill_ms, 128);
    assert_near(rows[1].decode_tps, 50);
    assert_int_equal(rows[3].n_depth, 512);
    assert_int_equal(rows[3].decode_tps_samples.n, 2);
    assert_true(isnan(rows[3].prefill_ms) && isnan(rows[0].decode_ms));
    assert_true(rows[3].peak_rss_bytes > 0 && rows[3].wall_ms > 0);
}

static void free_four(struct record rows[4])
{
    for (int i = 0; i < 4; i++) {
        record_free(&rows[i]);
    }
}

static void tests_go_into_few_starts(void **state)
{
    (void)state;
    struct record rows[4];
    write_program("llama-bench", HELP_WITH_DEPTH BENCH_SCRIPT);
    run_four_tests(rows, "-m  -t 3 -b 128 -p 128 --no-warmup -p 64 -n 8 -p 128 -r 2 -o json\n"
                         "-m  -t 3 -b 128 --no-warmup -n 8 -p 0 -r 2 -d 512 -o json\n");
    assert_near(rows[3].decode_tps, 50);
    free_four(rows);
}

static void a_depth_by_pairs(void **state)
{
    (void)state;
    struct record rows[4];
    write_program("llama-bench", HELP_WITH_PAIRS BENCH_SCRIPT);
    run_four_tests(rows, "-m  -t 3 -b 128 -p 128 -w 0 -p 64 -n 8 -p 128 -gp 512,8 -r 2 -o json\n");
    assert_near(rows[3].decode_tps, 25); /* generation alone is timed */
    free_four(rows);
    const struct driver_test behind = {64, 0, 512};
    record_init(&rows[0]);
    assert_int_equal(class->run_all(driver, &behind, 1, 1, rows, &err), MSCOPE_ERR_ARGUMENT);
    assert_says("cannot do");
}

static void a_bench_that_measured_something_else_is_refused(void **state)
{
    (void)state;
    write_program("llama-bench", "echo '[{\"n_prompt\": 512, \"n_gen\": 0, \"avg_ns\": 5}]'\n");
    assert_ok(open_driver(20), &err);
    struct driver_task task = {.n_tokens = 50, .n_gen = 0};
    assert_int_equal(class->run(driver, &task, &record, &marks, &err), MSCOPE_ERR_FORMAT);
    assert_says("none of them of 50+0 tokens at depth 0");
    write_program("llama-bench", "echo '[{\"n_prompt\": 50, \"n_gen\"'\n");
    assert_int_equal(class->run(driver, &task, &record, &marks, &err), MSCOPE_ERR_FORMAT);
}

static void engines_are_taken_apart(void **state)
{
    (void)state;
    struct driver_target target;
    assert_ok(driver_target_open(&target, "/a,b/llama-bench,args=-fa 1  -t 2,name=x-1", &err),
              &err);
    assert_string_equal(target.place, "/a,b/llama-bench");
    assert_string_equal(target.name, "x-1");
    assert_int_equal(target.n_arguments, 4);
    assert_string_equal(target.arguments[3], "2");
    driver_target_close(&target);
    assert_ok(driver_target_open(&target, "http://127.0.0.1:8080", &err), &err);
    assert_string_equal(target.place, "http://127.0.0.1:8080");
    assert_string_equal(target.name, "");
    driver_target_close(&target);
    assert_int_equal(driver_target_open(&target, "/a,name=a/b", &err), MSCOPE_ERR_ARGUMENT);
    assert_says("a/b");
    assert_null(target.memory);
    const struct driver_class *chosen;
    const char *rest;
    assert_ok(driver_choose(&chosen, &rest, "llama.cpp:/bench/llama-cli,name=bench", &err), &err);
    assert_ptr_equal(chosen, &driver_llama_cpp);
}

static void texts_are_fitted_to_tokens(void **state)
{
    (void)state;
    struct fit_text fit = {0};
    struct strbuf out = {0};
    static const char text[] = "one two three four five six seven eight nine ten";
    size_t n = strlen(text);
    assert_ok(fit_text_make(&out, &fit, text, n, 0, &err), &err);
    assert_string_equal(out.data, text);
    fit_text_learn(&fit, n, (int64_t)n / 2); /* half a token per byte */
    assert_ok(fit_text_make(&out, &fit, text, n, 10, &err), &err);
    assert_string_equal(out.data, "one two three four"); /* 20 bytes, back to a space */
    assert_ok(fit_text_make(&out, &fit, text, n, 40, &err), &err);
    assert_true(out.n_bytes > 60 && out.n_bytes <= 81);
    assert_int_equal(strncmp(out.data, text, n), 0);
    assert_int_equal(strncmp(out.data + n, "\none two", 8), 0);
    assert_int_equal(fit_text_make(&out, &fit, text, 0, 10, &err), MSCOPE_ERR_ARGUMENT);
    assert_int_equal(fit_text_make(&out, &fit, text, n, 1 << 30, &err), MSCOPE_ERR_ARGUMENT);
    strbuf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_from_the_footer),
        TEST(a_backslash_of_the_prompt_stays_one),
        TEST(a_program_that_fails_says_why),
        TEST(a_crash_is_named),
        TEST(a_program_that_hangs_is_ended_with_its_children),
        TEST(broken_footers_are_no_rows),
        TEST(the_chat_program_gives_rates_only),
        TEST(endless_output_is_no_danger),
        TEST(programs_and_models_that_are_not_there),
        TEST(what_it_cannot_do_is_refused),
        TEST(a_row_from_llama_bench),
        TEST(tests_go_into_few_starts),
        TEST(a_depth_by_pairs),
        TEST(engines_are_taken_apart),
        TEST(a_bench_that_measured_something_else_is_refused),
        TEST(texts_are_fitted_to_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
