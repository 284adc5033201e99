/* SPDX-License-Identifier: MIT */
/* Each claim with rows that reproduce it, refute it, and leave it open. */
#include "report/read.h"

typedef void edit_fn(struct record *row, int model, int prompt, int repetition);

/* Experiment 1: `n_prompts` prompts of `tokens` tokens × `n_repetitions`, each row edited. */
static void add_headline(struct rows_file *file, int n_prompts, int n_repetitions, int tokens,
                         edit_fn *edit)
{
    for (int m = 0; m < ROWS_N_MODELS; m++) {
        for (int p = 0; p < n_prompts; p++) {
            for (int r = 1; r <= n_repetitions; r++) {
                char prompt[16];
                struct record row;
                rows_fill(&row, &(struct rows_run){&rows_models[m], "experiment_1_efficiency",
                                                   rows_prompt(prompt, p), NULL, tokens, 2, r,
                                                   rows_factor(p, r)});
                rows_add_phases(&row);
                if (edit != NULL) {
                    edit(&row, m, p, r);
                }
                rows_append(file, &row);
            }
        }
    }
}

static void expect(int n_prompts, int n_repetitions, int tokens, edit_fn *edit, const char *claim,
                   const char *verdict)
{
    struct rows_file file;
    rows_open(&file);
    add_headline(&file, n_prompts, n_repetitions, tokens, edit);
    struct report *report = rows_report(&file, NULL);
    report_close(&report);
    struct strbuf text = read_text(&file, "tables/verdicts.csv");
    const char *at = strstr(text.data, claim);
    assert_non_null(at);
    const char *line_end = strchr(at, '\n');
    const char *found = strstr(at, verdict);
    if (found == NULL || found > line_end) {
        fail_msg("%s is not %s: %.*s", claim, verdict, (int)(line_end - at), at);
    }
    strbuf_free(&text);
    rows_remove(&file);
}

static void scale_rate(struct record *row, double factor)
{
    row->decode_tps *= factor;
    row->decode_ms /= factor;
}

static void moe_double_speed(struct record *row, int m, int p, int r)
{
    (void)p, (void)r;
    scale_rate(row, m == ROWS_OLMOE ? 2 : 1);
}

static void moe_like_llama_but_noisy(struct record *row, int m, int p, int r)
{
    (void)r;
    scale_rate(row, m == ROWS_OLMOE ? 17.0 / 14 * (p % 2 == 0 ? 0.9 : 1.12) : 1);
}

static void moe_half_speed(struct record *row, int m, int p, int r)
{
    (void)p, (void)r;
    scale_rate(row, m == ROWS_OLMOE ? 0.5 : 1);
}

static void moe_fifth_of_speed(struct record *row, int m, int p, int r)
{
    (void)p, (void)r;
    scale_rate(row, m == ROWS_OLMOE ? 0.2 : 1);
}

static void rates_on_the_active_axis(void **state)
{
    (void)state;
    expect(4, 3, 100, NULL, "RQ1 active axis", "reproduced");
    expect(4, 3, 100, moe_double_speed, "RQ1 active axis", "refuted");
    expect(4, 3, 100, moe_like_llama_but_noisy, "RQ1 active axis", "not measurable here");
    expect(1, 1, 100, NULL, "RQ1 active axis", "too few runs");
}

static void rates_on_the_memory_axis(void **state)
{
    (void)state;
    expect(4, 3, 100, NULL, "RQ1 memory axis", "reproduced");
    expect(4, 3, 100, moe_half_speed, "RQ1 memory axis", "refuted");
    expect(1, 3, 100, NULL, "RQ1 memory axis", "reproduced"); /* over single runs */
}

static void moe_peak_is_double(struct record *row, int m, int p, int r)
{
    (void)p, (void)r;
    row->peak_rss_bytes *= m == ROWS_OLMOE ? 2 : 1;
}

static void no_peaks(struct record *row, int m, int p, int r)
{
    (void)m, (void)p, (void)r;
    row->peak_rss_bytes = RECORD_NO_INT;
}

static void memory_claims(void **state)
{
    (void)state;
    expect(2, 2, 100, NULL, "RQ2 footprint", "refuted"); /* 4.91 is below 5 */
    expect(2, 2, 100, moe_peak_is_double, "RQ2 footprint", "reproduced");
    expect(2, 2, 100, NULL, "RQ2 peak is file size", "reproduced");
    expect(2, 2, 100, moe_peak_is_double, "RQ2 peak is file size", "refuted");
    expect(2, 2, 100, no_peaks, "RQ2 peak is file size", "the rows do not hold the figure");
}

static void stratify(struct record *row, int p, double kept)
{
    record_set_text(&row->stratum, p == 0 ? "short" : "long", NULL);
    scale_rate(row, p == 0 ? 1 : kept);
}

static void all_slow_down_alike(struct record *row, int m, int p, int r)
{
    (void)m, (void)r;
    stratify(row, p, 0.8);
}

static void moe_slows_down_more(struct record *row, int m, int p, int r)
{
    (void)r;
    stratify(row, p, m == ROWS_OLMOE ? 0.6 : 0.8);
}

static void length_slope(void **state)
{
    (void)state;
    expect(2, 3, 100, all_slow_down_alike, "RQ3 prompt length", "reproduced");
    expect(2, 3, 100, moe_slows_down_more, "RQ3 prompt length", "refuted");
    expect(2, 3, 100, NULL, "RQ3 prompt length", "not both measured");
}

static void add_energy(struct record *row, double joules)
{
    record_set_text(&row->energy_source, "rapl", NULL);
    record_set_text(&row->energy_reason, NULL, NULL);
    row->decode_j_per_token = joules;
}

static void energy_as_in_the_study(struct record *row, int m, int p, int r)
{
    add_energy(row, (m == ROWS_OLMOE ? 0.96 : 0.45) * (1 + 0.01 * (p + r)));
}

static void energy_equal(struct record *row, int m, int p, int r)
{
    (void)m;
    add_energy(row, 0.45 * (1 + 0.01 * (p + r)));
}

static void energy(void **state)
{
    (void)state;
    expect(3, 2, 100, energy_as_in_the_study, "RQ4 energy", "reproduced");
    expect(3, 2, 100, energy_equal, "RQ4 energy", "refuted");
    expect(3, 2, 100, NULL, "RQ4 energy", "no counter in /sys/class/powercap");
}

static void reads_everything(struct record *row, int m, int p, int r)
{
    (void)m, (void)p, (void)r;
    row->bytes_per_token = (double)row->model_bytes;
}

static void what_a_token_costs(void **state)
{
    (void)state;
    expect(3, 2, 100, NULL, "cost tracks total parameters", "refuted");
    expect(3, 2, 100, moe_fifth_of_speed, "cost tracks total parameters", "reproduced");
    expect(2, 2, 100, NULL, "the whole expert set is read", "refuted");
    expect(2, 2, 100, reads_everything, "the whole expert set is read", "reproduced");
}

static void little_routing(struct record *row, int m, int p, int r)
{
    (void)p;
    if (m == ROWS_OLMOE) {
        row->routing_share = 0.05 + 0.001 * r;
    }
}

static void routing_around_the_limit(struct record *row, int m, int p, int r)
{
    (void)p;
    if (m == ROWS_OLMOE) {
        row->routing_share = 0.07 + 0.01 * r;
    }
}

static void routing_share(void **state)
{
    (void)state;
    expect(2, 3, 100, little_routing, "\"routing below 9 %, short prompts\"", "reproduced");
    expect(2, 3, 100, NULL, "\"routing below 9 %, short prompts\"", "refuted");
    expect(2, 3, 100, routing_around_the_limit, "\"routing below 9 %, short prompts\"",
           "across the limit");
    expect(2, 3, 100, little_routing, "\"routing below 8 %, long prompts\"",
           "no run with prompts of this length");
    expect(2, 3, 500, little_routing, "\"routing below 8 %, long prompts\"", "reproduced");
}

static void gemma_varies(struct record *row, int m, int p, int r)
{
    (void)p;
    scale_rate(row, m == ROWS_GEMMA ? 1 + 0.3 * (r - 2) : 1);
}

static void stability(void **state)
{
    (void)state;
    expect(4, 3, 100, NULL, "CV within 10 %", "reproduced");
    expect(4, 3, 100, gemma_varies, "CV within 10 %", "refuted");
    expect(2, 3, 100, NULL, "CV within 10 %", "too few runs");
}

static void dense_only(struct record *row, int m, int p, int r)
{
    (void)m, (void)p, (void)r;
    record_set_text(&row->model_role, "dense", NULL);
}

static void nothing_is_judged_without_an_moe_model(void **state)
{
    (void)state;
    expect(3, 3, 100, dense_only, "RQ1 active axis", "no MoE model was measured");
    expect(3, 3, 100, dense_only, "CV within 10 %", "not measurable here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_on_the_active_axis),
        cmocka_unit_test(rates_on_the_memory_axis),
        cmocka_unit_test(memory_claims),
        cmocka_unit_test(length_slope),
        cmocka_unit_test(energy),
        cmocka_unit_test(what_a_token_costs),
        cmocka_unit_test(routing_share),
        cmocka_unit_test(stability),
        cmocka_unit_test(nothing_is_judged_without_an_moe_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
