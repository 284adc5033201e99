/* SPDX-License-Identifier: MIT */
/* The named mixtures (those of llama-quantize without an importance matrix) and the plain types. */
#include "model/recipe_table.h"

static const struct recipe_rule q2_k[] = {
    {GROUP_ATTN_V, RULE_GQA_4, DTYPE_Q4_K},
    {GROUP_ATTN_V, RULE_ALWAYS, DTYPE_Q3_K},
    {GROUP_FFN_DOWN, RULE_ALWAYS, DTYPE_Q3_K},
    {GROUP_ATTN_OUTPUT, RULE_ALWAYS, DTYPE_Q3_K},
};
static const struct recipe_rule q3_k_m[] = {
    {GROUP_ATTN_V, RULE_FIRST_2, DTYPE_Q5_K},      {GROUP_ATTN_V, RULE_ALWAYS, DTYPE_Q4_K},
    {GROUP_FFN_DOWN, RULE_FIRST_16TH, DTYPE_Q5_K}, {GROUP_FFN_DOWN, RULE_ALWAYS, DTYPE_Q4_K},
    {GROUP_ATTN_OUTPUT, RULE_ALWAYS, DTYPE_Q4_K},
};
static const struct recipe_rule q3_k_l[] = {
    {GROUP_ATTN_V, RULE_ALWAYS, DTYPE_Q5_K},
    {GROUP_FFN_DOWN, RULE_ALWAYS, DTYPE_Q5_K},
    {GROUP_ATTN_OUTPUT, RULE_ALWAYS, DTYPE_Q5_K},
};
static const struct recipe_rule q4_k_s[] = {
    {GROUP_ATTN_V, RULE_FIRST_4, DTYPE_Q5_K},
    {GROUP_FFN_DOWN, RULE_FIRST_8TH, DTYPE_Q5_K},
};
static const struct recipe_rule k_m[] = {
    /* Q4_K_M and Q5_K_M */
    {GROUP_ATTN_V, RULE_MORE, DTYPE_Q6_K},
    {GROUP_FFN_DOWN, RULE_MORE, DTYPE_Q6_K},
};
static const struct recipe_rule iq4[] = {
    {GROUP_ATTN_V, RULE_GQA_4, DTYPE_Q5_K},
    {GROUP_FFN_DOWN, RULE_FIRST_8TH, DTYPE_Q5_K},
};

#define RULES(list) (list), (int)(sizeof(list) / sizeof((list)[0]))

const struct recipe recipe_table[] = {
    {"Q8_0", 7, RECIPE_MIXTURE, DTYPE_Q8_0, false, NULL, 0},
    {"Q6_K", 18, RECIPE_MIXTURE, DTYPE_Q6_K, false, NULL, 0},
    {"Q5_K_M", 17, RECIPE_MIXTURE, DTYPE_Q5_K, false, RULES(k_m)},
    {"Q5_K_S", 16, RECIPE_MIXTURE, DTYPE_Q5_K, false, NULL, 0},
    {"Q4_K_M", 15, RECIPE_MIXTURE, DTYPE_Q4_K, true, RULES(k_m)},
    {"Q4_K_S", 14, RECIPE_MIXTURE, DTYPE_Q4_K, true, RULES(q4_k_s)},
    {"Q3_K_L", 13, RECIPE_MIXTURE, DTYPE_Q3_K, false, RULES(q3_k_l)},
    {"Q3_K_M", 12, RECIPE_MIXTURE, DTYPE_Q3_K, true, RULES(q3_k_m)},
    {"Q3_K_S", 11, RECIPE_MIXTURE, DTYPE_Q3_K, true, NULL, 0},
    {"Q2_K", 10, RECIPE_MIXTURE, DTYPE_Q2_K, true, RULES(q2_k)},
    {"Q5_1", 9, RECIPE_MIXTURE, DTYPE_Q5_1, false, NULL, 0},
    {"Q5_0", 8, RECIPE_MIXTURE, DTYPE_Q5_0, false, NULL, 0},
    {"Q4_1", 3, RECIPE_MIXTURE, DTYPE_Q4_1, false, NULL, 0},
    {"Q4_0", 2, RECIPE_MIXTURE, DTYPE_Q4_0, false, NULL, 0},
    {"IQ4_NL", 25, RECIPE_MIXTURE, DTYPE_IQ4_NL, true, RULES(iq4)},
    {"IQ4_XS", 30, RECIPE_MIXTURE, DTYPE_IQ4_XS, true, RULES(iq4)},
    {"MXFP4_MOE", 38, RECIPE_MXFP4_MOE, DTYPE_MXFP4, false, NULL, 0},
    {"BF16", 32, RECIPE_PLAIN, DTYPE_BF16, false, NULL, 0},
    {"F16", 1, RECIPE_PLAIN, DTYPE_F16, false, NULL, 0},
    {"F32", 0, RECIPE_PLAIN, DTYPE_F32, false, NULL, 0},
    /* Plain types whose name is no mixture; the file type is that of the nearest one. */
    {"Q5_K", 16, RECIPE_PLAIN, DTYPE_Q5_K, false, NULL, 0},
    {"Q4_K", 14, RECIPE_PLAIN, DTYPE_Q4_K, false, NULL, 0},
    {"Q3_K", 11, RECIPE_PLAIN, DTYPE_Q3_K, false, NULL, 0},
    {"MXFP4", 38, RECIPE_PLAIN, DTYPE_MXFP4, false, NULL, 0},
};

const int recipe_table_n = (int)(sizeof recipe_table / sizeof recipe_table[0]);

/* Same order as the table; a test compares them. */
const char *const recipe_table_names[] = {
    "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_L", "Q3_K_M",    "Q3_K_S",
    "Q2_K", "Q5_1", "Q5_0",   "Q4_1",   "Q4_0",   "IQ4_NL", "IQ4_XS", "MXFP4_MOE", "BF16",
    "F16",  "F32",  "Q5_K",   "Q4_K",   "Q3_K",   "MXFP4",  NULL};
