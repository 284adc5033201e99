/* SPDX-License-Identifier: MIT */
/* Claims, and how a figure with an interval becomes a verdict. */
#include "report/verdict.h"

#include "report/verdict_tests.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct verdict_claim verdict_claims[] = {
    {"RQ1 active axis",
     "At about equal active parameters the MoE model generates more slowly than the dense one.",
     "0.90 of Llama-3.2-1B's rate on an M2 Pro, 0.69 on a Jetson Orin Nano", 0, 1,
     verdict_active_axis},
    {"RQ1 memory axis",
     "The MoE model generates faster than the largest dense model it shares its memory class with.",
     "1.9 and 1.5 times Gemma-2-2B's rate", 1, INFINITY, verdict_memory_axis},
    {"RQ2 footprint",
     "The MoE model needs 5 to 10 times the memory of a dense model of its active size.",
     "its own tables give 4.6 and 4.3 against Llama-3.2-1B", 5, 10, verdict_footprint},
    {"RQ2 peak is file size", "Peak memory is roughly equal to the size of the file.",
     "1.15 to 1.31 on an M2 Pro, 2.0 to 2.5 on a Jetson, in equal units; tried as 0.8 to 1.25", 0.8,
     1.25, verdict_peak_is_file},
    {"RQ3 prompt length",
     "The MoE model does not slow down more than the dense ones as the prompt grows.",
     "drops from short to long: 12.9 % against 5.4 to 19.7 %; tried with a margin of 5 points",
     -0.05, INFINITY, verdict_length_slope},
    {"RQ4 energy",
     "The MoE model takes about 2.1 times the energy per token of a dense one of its active size.",
     "0.96 against 0.45 J of Llama-3.2-1B; tried as 1.7 to 2.5", 1.7, 2.5, verdict_energy},
    {"cost tracks total parameters", "Inference cost tracks total parameters, not active ones.",
     "tried as: time per token nearer to the ratio of total than of active parameters", 0, INFINITY,
     verdict_cost_tracks_total},
    {"the whole expert set is read",
     "Expert weights are fetched from the full set of parameters for every token.",
     "follows from the study's account of energy; tried as 0.9 of the file or more", 0.9, INFINITY,
     verdict_whole_set},
    {"routing below 9 %, short prompts",
     "Routing takes under 9 % of the MoE block with prompts of at most 200 tokens.",
     "8.9 % on a Jetson, 33.5 % on an M2 Pro", 0, 0.09, verdict_routing_short},
    {"routing below 8 %, long prompts",
     "Routing takes under 8 % of the MoE block with prompts of 500 tokens or more.",
     "7.3 % on a Jetson, 10.2 % on an M2 Pro", 0, 0.08, verdict_routing_long},
    {"CV within 10 %", "Rates of decoding vary by a CV of at most 10 % in every model.",
     "2.0 to 8.1 %", 0, 0.10, verdict_stable},
    {0}};

static void judge(struct verdict *verdict);
static enum mscope_status add_verdict(struct table *table, const struct verdict *verdict,
                                      const struct scene *scene, struct mscope_error *err);

const char *verdict_outcome_name(enum verdict_outcome outcome)
{
    static const char *const names[] = {"reproduced", "refuted", "not measurable here"};
    return names[outcome];
}

enum mscope_status verdict_try(struct verdict *verdict, const struct verdict_claim *claim,
                               const struct scene *scene, struct store *store,
                               struct mscope_error *err)
{
    *verdict = (struct verdict){
        .claim = claim, .outcome = VERDICT_NOT_MEASURABLE, .figure = estimate_none()};
    if (scene->moe == NULL) {
        snprintf(verdict->reason, sizeof verdict->reason, "no MoE model was measured");
        return MSCOPE_OK;
    }
    enum mscope_status status = claim->test(verdict, scene, store, err);
    if (status == MSCOPE_OK && verdict->reason[0] == '\0') {
        judge(verdict);
    }
    return status;
}

static void judge(struct verdict *verdict)
{
    const struct estimate *figure = &verdict->figure;
    const struct verdict_claim *claim = verdict->claim;
    verdict->outcome = VERDICT_NOT_MEASURABLE;
    if (!isfinite(figure->value)) {
        snprintf(verdict->reason, sizeof verdict->reason, "the rows do not hold the figure");
    } else if (!estimate_has_interval(figure)) {
        snprintf(verdict->reason, sizeof verdict->reason,
                 "too few runs for an interval (%zu in all)", figure->n);
    } else if (figure->low >= claim->least && figure->high <= claim->most) {
        verdict->outcome = VERDICT_REPRODUCED;
    } else if (figure->high < claim->least || figure->low > claim->most) {
        verdict->outcome = VERDICT_REFUTED;
    } else {
        snprintf(verdict->reason, sizeof verdict->reason,
                 "the interval reaches across the limit; more runs would decide");
    }
}

enum mscope_status verdict_fill(struct table *table, const struct scene_list *list,
                                struct store *store, struct mscope_error *err)
{
    table_init(table, &tables_verdicts);
    enum mscope_status status = MSCOPE_OK;
    for (size_t i = 0; i < list->n; i++) {
        const struct verdict_claim *claim = verdict_claims;
        for (; claim->id != NULL && status == MSCOPE_OK; claim++) {
            struct verdict verdict;
            status = verdict_try(&verdict, claim, &list->scenes[i], store, err);
            if (status == MSCOPE_OK) {
                status = add_verdict(table, &verdict, &list->scenes[i], err);
            }
        }
    }
    return status;
}

const char *verdict_count(char text[VERDICT_COUNTS_BYTES], const struct table *table)
{
    size_t counts[VERDICT_NOT_MEASURABLE + 1] = {0};
    for (size_t row = 0; row < table->n_rows; row++) {
        const char *words = table_at(table, row, "verdict")->words;
        for (int i = 0; i <= VERDICT_NOT_MEASURABLE; i++) {
            counts[i] += strcmp(words, verdict_outcome_name((enum verdict_outcome)i)) == 0;
        }
    }
    snprintf(text, VERDICT_COUNTS_BYTES, "%zu reproduced, %zu refuted, %zu not measurable here.",
             counts[VERDICT_REPRODUCED], counts[VERDICT_REFUTED], counts[VERDICT_NOT_MEASURABLE]);
    return text;
}

static enum mscope_status add_verdict(struct table *table, const struct verdict *verdict,
                                      const struct scene *scene, struct mscope_error *err)
{
    enum mscope_status status = table_add_row(table, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    bool both = verdict->measured[0] != '\0' && verdict->reason[0] != '\0';
    struct strbuf shown = {0};
    strbuf_printf(&shown, "%s%s%s", verdict->measured, both ? "; " : "", verdict->reason);
    const struct {
        const char *column, *text;
    } words[] = {{"id", verdict->claim->id},
                 {"host", scene->host},
                 {"engine", scene->engine},
                 {"verdict", verdict_outcome_name(verdict->outcome)},
                 {"measured", shown.failed ? "" : shown.data},
                 {"claim", verdict->claim->claim},
                 {"source", verdict->claim->source},
                 {"reason", verdict->reason}};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && status == MSCOPE_OK; i++) {
        status = table_set_text(table, words[i].column, words[i].text, err);
    }
    table_set_number(table, "value", verdict->figure.value);
    table_set_number(table, "low", verdict->figure.low);
    table_set_number(table, "high", verdict->figure.high);
    table_set_number(table, "synthetic", scene->synthetic);
    strbuf_free(&shown);
    return status;
}
