/* SPDX-License-Identifier: MIT */
/* tokenize: standard input to ids, or ids to bytes. */
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/runtime.h"
#include "cli/text_flow.h"

static enum mscope_status encode(const struct runtime *runtime, const struct options *options,
                                 const struct strbuf *text, struct mscope_error *err);
static enum mscope_status decode(const struct runtime *runtime, const struct options *options,
                                 const struct strbuf *text, struct mscope_error *err);
static enum mscope_status trim_special(struct input_ids *ids, int *first,
                                       const struct mscope_model *model, struct mscope_error *err);

int cmd_tokenize(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct mscope_error err;
    struct runtime runtime = {0};
    struct strbuf text = {0};
    enum mscope_status status =
        runtime_open_model(&runtime, options_argument(options, 0), MSCOPE_PART_TOKENIZER, &err);
    if (status == MSCOPE_OK) {
        status = input_read_text(&text, "-", &err);
    }
    if (status == MSCOPE_OK) {
        status = options_flag(options, "decode") ? decode(&runtime, options, &text, &err)
                                                 : encode(&runtime, options, &text, &err);
    }
    strbuf_free(&text);
    runtime_close(&runtime);
    return status == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static enum mscope_status encode(const struct runtime *runtime, const struct options *options,
                                 const struct strbuf *text, struct mscope_error *err)
{
    unsigned flags = (options_flag(options, "no-bos") ? 0u : MSCOPE_ADD_SPECIAL) |
                     (options_flag(options, "no-special") ? 0u : MSCOPE_PARSE_SPECIAL);
    struct input_ids ids;
    enum mscope_status status = input_tokenize(
        &ids, runtime->model, text->n_bytes > 0 ? text->data : "", text->n_bytes, flags, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    runtime_say_synthetic(runtime);
    if (options_flag(options, "json")) {
        json_t *list = json_array();
        for (int i = 0; i < ids.n; i++) {
            json_array_append_new(list, json_integer(ids.ids[i]));
        }
        json_t *json = json_object();
        json_object_set_new(json, "bytes", json_count(text->n_bytes));
        json_object_set_new(json, "n", json_integer(ids.n));
        json_object_set_new(json, "ids", list);
        out_json(json);
    } else {
        for (int i = 0; i < ids.n; i++) {
            out_printf(i == 0 ? "%d" : " %d", ids.ids[i]);
        }
        out_printf("\n");
    }
    input_ids_free(&ids);
    return MSCOPE_OK;
}

static enum mscope_status decode(const struct runtime *runtime, const struct options *options,
                                 const struct strbuf *text, struct mscope_error *err)
{
    struct input_ids ids;
    struct strbuf bytes = {0};
    int first = 0;
    uint32_t n_vocab = runtime->info->n_vocab;
    enum mscope_status status =
        input_parse_ids(&ids, text->n_bytes > 0 ? text->data : "", text->n_bytes, n_vocab, err);
    if (status == MSCOPE_OK && !options_flag(options, "no-bos")) {
        status = trim_special(&ids, &first, runtime->model, err);
    }
    if (status == MSCOPE_OK) {
        status =
            text_flow_detokenize(&bytes, runtime->model, ids.ids + first, (size_t)(ids.n - first),
                                 !options_flag(options, "no-special"), err);
    }
    if (status == MSCOPE_OK) {
        runtime_say_synthetic(runtime);
    }
    if (status == MSCOPE_OK && options_flag(options, "json")) {
        json_t *json = json_object();
        json_object_set_new(json, "n", json_integer(ids.n));
        json_object_set_new(json, "bytes", json_count(bytes.n_bytes));
        json_object_set_new(json, "text",
                            json_bytes(bytes.n_bytes > 0 ? bytes.data : "", bytes.n_bytes));
        out_json(json);
    } else if (status == MSCOPE_OK && bytes.n_bytes > 0) {
        out_write(bytes.data, bytes.n_bytes);
    }
    strbuf_free(&bytes);
    input_ids_free(&ids);
    return status;
}

/* Takes off the special tokens that encoding puts around a text. */
static enum mscope_status trim_special(struct input_ids *ids, int *first,
                                       const struct mscope_model *model, struct mscope_error *err)
{
    bool adds_bos, adds_eos;
    enum mscope_status status = input_special_ends(&adds_bos, &adds_eos, model, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (adds_bos && ids->n > 0 && ids->ids[0] == mscope_token_bos(model)) {
        *first = 1;
    }
    if (adds_eos && ids->n > *first && ids->ids[ids->n - 1] == mscope_token_eos(model)) {
        ids->n--;
    }
    return MSCOPE_OK;
}
