/* SPDX-License-Identifier: MIT */
/* info: what a model file is, from its header alone. */
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/runtime.h"

#include "base/units.h"

static void print_shape(const struct mscope_model_info *info);
static void print_bytes(const struct mscope_model_info *info);
static void print_types(const struct mscope_model_info *info);
static json_t *describe(const struct mscope_model_info *info);
static json_t *describe_classes(const uint64_t *bytes);
static uint64_t weight_bytes(const struct mscope_model_info *info);

int cmd_info(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct mscope_error err;
    struct mscope_model *model = NULL;
    const char *path = options_argument(options, 0);
    if (mscope_model_open(&model, path, 0, &err) != MSCOPE_OK) {
        return out_error(&err);
    }
    const struct mscope_model_info *info = mscope_model_get_info(model);
    if (options_flag(options, "json")) {
        json_t *json = describe(info);
        json_object_set_new(json, "file", json_text(path));
        out_json(json);
    } else {
        char shown[512];
        out_printf("%s\n\n", out_printable(shown, sizeof shown, path));
        print_shape(info);
        print_bytes(info);
        print_types(info);
    }
    mscope_model_close(&model);
    return CLI_OK;
}

static void print_shape(const struct mscope_model_info *info)
{
    char text[160], count[UNITS_TEXT_BYTES], active[UNITS_TEXT_BYTES];
    if (info->name[0] != '\0') {
        out_printf("  name           %s\n", out_printable(text, sizeof text, info->name));
    }
    out_printf("  family         %s, %u layers, embedding %u\n", info->architecture, info->n_layer,
               info->n_embd);
    out_printf("  attention      %u heads of %u, %u key-value heads\n", info->n_head,
               info->head_dim, info->n_head_kv);
    if (info->n_expert > 0) {
        out_printf("  experts        %u per layer, %u used, %u shared, width %u\n", info->n_expert,
                   info->n_expert_used, info->n_expert_shared, info->n_ff_expert);
    }
    if (info->n_ff > 0) {
        out_printf("  feed-forward   width %u\n", info->n_ff);
    }
    out_printf("  context        %u tokens in training\n", info->n_ctx_train);
    out_printf("  vocabulary     %u tokens", info->n_vocab);
    if (info->tokenizer_model[0] != '\0') {
        out_printf(", tokenizer %s", out_printable(text, sizeof text, info->tokenizer_model));
    }
    if (info->tokenizer_pre[0] != '\0') {
        out_printf(" with %s", out_printable(text, sizeof text, info->tokenizer_pre));
    }
    out_printf("\n  chat template  %s\n", info->has_chat_template ? "yes" : "no");
    out_printf("  parameters     %s, %s active per token\n", units_count(count, info->n_params),
               units_count(active, info->n_params_active));
    out_printf("  file           %s%s%s", units_bytes(count, info->file_bytes),
               info->file_type[0] != '\0' ? ", " : "",
               out_printable(text, sizeof text, info->file_type));
    if (info->n_parts > 1) {
        out_printf(", %u parts", info->n_parts);
    }
    out_printf("\n  synthetic      %s\n\n",
               info->is_synthetic ? "yes: random weights, good for measuring, not for text" : "no");
}

static void print_bytes(const struct mscope_model_info *info)
{
    char a[UNITS_TEXT_BYTES], b[UNITS_TEXT_BYTES];
    out_printf("  %-18s %12s %14s\n", "bytes", "in the file", "per token");
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        if (info->class_bytes[i] > 0 || info->class_bytes_token[i] > 0) {
            bool tied = i == MSCOPE_CLASS_OUTPUT && info->tied_output;
            out_printf("  %-18s %12s %14s\n",
                       tied ? "output = embedding" : mscope_class_name((enum mscope_class)i),
                       tied ? "" : units_bytes(a, info->class_bytes[i]),
                       units_bytes(b, info->class_bytes_token[i]));
        }
    }
    uint64_t weights = weight_bytes(info);
    if (info->file_bytes > weights) {
        out_printf("  %-18s %12s %14s\n", "header", units_bytes(a, info->file_bytes - weights), "");
    }
    out_printf("  %-18s %12s %14s\n", "total", units_bytes(a, info->file_bytes),
               units_bytes(b, info->bytes_per_token));
    uint64_t n_ctx =
        info->n_ctx_train < RUNTIME_DEFAULT_CTX ? info->n_ctx_train : RUNTIME_DEFAULT_CTX;
    out_printf("\n  key-value cache in F16: %s per token, %s for %u tokens\n\n",
               units_bytes(a, info->kv_bytes_per_token_f16),
               units_bytes(b, info->kv_bytes_per_token_f16 * n_ctx), (unsigned)n_ctx);
}

static void print_types(const struct mscope_model_info *info)
{
    char a[UNITS_TEXT_BYTES], b[UNITS_TEXT_BYTES];
    out_printf("  %-8s %9s %12s %12s %14s\n", "type", "tensors", "parameters", "bytes",
               "bits/parameter");
    for (uint32_t i = 0; i < info->n_types; i++) {
        const struct mscope_type_count *type = &info->types[i];
        out_printf("  %-8s %9u %12s %12s %14.2f\n", type->name, type->n_tensors,
                   units_count(a, type->n_params), units_bytes(b, type->n_bytes),
                   type->n_params > 0 ? 8 * (double)type->n_bytes / (double)type->n_params : 0);
    }
}

static json_t *describe(const struct mscope_model_info *info)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"n_layer", info->n_layer},
        {"n_embd", info->n_embd},
        {"n_head", info->n_head},
        {"n_head_kv", info->n_head_kv},
        {"head_dim", info->head_dim},
        {"n_ff", info->n_ff},
        {"n_expert", info->n_expert},
        {"n_expert_used", info->n_expert_used},
        {"n_expert_shared", info->n_expert_shared},
        {"n_ff_expert", info->n_ff_expert},
        {"n_vocab", info->n_vocab},
        {"n_ctx_train", info->n_ctx_train},
        {"n_params", info->n_params},
        {"n_params_active", info->n_params_active},
        {"file_bytes", info->file_bytes},
        {"n_parts", info->n_parts},
        {"bytes_per_token", info->bytes_per_token},
        {"kv_bytes_per_token_f16", info->kv_bytes_per_token_f16},
    };
    json_t *json = json_object();
    json_object_set_new(json, "architecture", json_text(info->architecture));
    json_object_set_new(json, "name", json_text(info->name));
    json_object_set_new(json, "file_type", json_text(info->file_type));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        json_object_set_new(json, counts[i].name, json_count(counts[i].value));
    }
    json_object_set_new(json, "class_bytes", describe_classes(info->class_bytes));
    json_object_set_new(json, "class_bytes_per_token", describe_classes(info->class_bytes_token));
    json_t *types = json_array();
    for (uint32_t i = 0; i < info->n_types; i++) {
        json_t *type = json_object();
        json_object_set_new(type, "name", json_text(info->types[i].name));
        json_object_set_new(type, "n_tensors", json_count(info->types[i].n_tensors));
        json_object_set_new(type, "n_params", json_count(info->types[i].n_params));
        json_object_set_new(type, "n_bytes", json_count(info->types[i].n_bytes));
        json_array_append_new(types, type);
    }
    json_object_set_new(json, "types", types);
    json_object_set_new(json, "tokenizer_model", json_text(info->tokenizer_model));
    json_object_set_new(json, "tokenizer_pre", json_text(info->tokenizer_pre));
    json_object_set_new(json, "tied_output", json_boolean(info->tied_output));
    json_object_set_new(json, "chat_template", json_boolean(info->has_chat_template));
    json_object_set_new(json, "synthetic", json_boolean(info->is_synthetic));
    return json;
}

static json_t *describe_classes(const uint64_t *bytes)
{
    json_t *json = json_object();
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        json_object_set_new(json, mscope_class_name((enum mscope_class)i), json_count(bytes[i]));
    }
    return json;
}

static uint64_t weight_bytes(const struct mscope_model_info *info)
{
    uint64_t sum = 0;
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        sum += info->class_bytes[i];
    }
    return sum;
}
