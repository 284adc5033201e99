/* SPDX-License-Identifier: MIT */
/*
 * Inside model/ only: the mixtures as data. A recipe is a default type and a list of promotions;
 * the first rule whose tensor group and condition hold gives the type. Constant; any thread.
 */
#ifndef MODEL_RECIPE_TABLE_H
#define MODEL_RECIPE_TABLE_H

#include "model/recipe.h"

#include <stddef.h>

enum tensor_group { /* by substring of the name, tested in this order */
                    GROUP_OUTPUT,
                    GROUP_TOKEN_EMBD,
                    GROUP_ATTN_V, /* also attn_qkv and attn_kv_b */
                    GROUP_ATTN_K,
                    GROUP_ATTN_Q,
                    GROUP_ATTN_OUTPUT,
                    GROUP_FFN_UP,
                    GROUP_FFN_GATE,
                    GROUP_FFN_DOWN,
                    GROUP_OTHER
};

/* Of layer i of n; for attention-v tensors and dense ffn_down, i is a running counter. */
enum rule_condition {
    RULE_ALWAYS,
    RULE_MORE,       /* first and last eighth, and every third in between */
    RULE_FIRST_8TH,  /* i < n / 8 */
    RULE_FIRST_16TH, /* i < n / 16 */
    RULE_FIRST_2,
    RULE_FIRST_4,
    RULE_GQA_4 /* four query heads or more per key-value head */
};

struct recipe_rule {
    enum tensor_group group;
    enum rule_condition condition;
    enum dtype type;
};

enum recipe_kind {
    RECIPE_MIXTURE,  /* default, rules, and the promotions that all mixtures share */
    RECIPE_PLAIN,    /* every matrix the default type */
    RECIPE_MXFP4_MOE /* experts the default type, other matrices Q8_0 */
};

struct recipe {
    const char *name;
    uint32_t file_type;
    enum recipe_kind kind;
    enum dtype default_type;
    bool promotes_output_8x; /* attn_output Q5_K in models of exactly 8 experts */
    const struct recipe_rule *rules;
    int n_rules;
};

extern const struct recipe recipe_table[];
extern const int recipe_table_n;
extern const char *const recipe_table_names[]; /* NULL-terminated */

#endif
