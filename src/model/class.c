/* SPDX-License-Identifier: MIT */
/* What a tensor is for, by its name alone, so that it also works for families we cannot run. */
#include "model/model.h"

#include <ctype.h>
#include <string.h>

static bool contains(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

/* "blk.N.ffn_gate.E.weight", the old layout of one matrix per expert. */
static bool is_legacy_expert(const char *name)
{
    static const char *const parts[] = {".ffn_gate.", ".ffn_up.", ".ffn_down."};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *found = strstr(name, parts[i]);
        if (found != NULL && isdigit((unsigned char)found[strlen(parts[i])])) {
            return true;
        }
    }
    return false;
}

/* First rule that matches wins; norms of q, k and of compressed projections belong to attention. */
enum mscope_class model_tensor_class(const char *name)
{
    static const struct {
        const char *part;
        enum mscope_class cls;
    } rules[] = {
        {"_shexp", MSCOPE_CLASS_SHARED},
        {"_exps", MSCOPE_CLASS_EXPERTS},
        {"ffn_gate_inp", MSCOPE_CLASS_ROUTER},
        {"exp_probs_b", MSCOPE_CLASS_ROUTER},
        {"token_embd_norm", MSCOPE_CLASS_NORM},
        {"token_embd", MSCOPE_CLASS_EMBEDDING},
        {"position_embd", MSCOPE_CLASS_EMBEDDING},
        {"token_types", MSCOPE_CLASS_EMBEDDING},
        {"output_norm", MSCOPE_CLASS_NORM},
        {"attn_norm", MSCOPE_CLASS_NORM},
        {"post_attention_norm", MSCOPE_CLASS_NORM},
        {"attn_post_norm", MSCOPE_CLASS_NORM},
        {"attn_rot_embd", MSCOPE_CLASS_NORM},
        {"attn_", MSCOPE_CLASS_ATTENTION},
        {"ffn_norm", MSCOPE_CLASS_NORM},
        {"ffn_post_norm", MSCOPE_CLASS_NORM},
        {"post_ffw_norm", MSCOPE_CLASS_NORM},
        {"ffn_", MSCOPE_CLASS_FFN},
    };
    if (is_legacy_expert(name)) {
        return MSCOPE_CLASS_EXPERTS;
    }
    if (strncmp(name, "output.", 7) == 0) {
        return MSCOPE_CLASS_OUTPUT;
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (contains(name, rules[i].part)) {
            return rules[i].cls;
        }
    }
    return MSCOPE_CLASS_NORM;
}
