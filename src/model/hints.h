/* SPDX-License-Identifier: MIT */
/*
 * Inside model/ only: reading what a file of any architecture says of itself, without judging it.
 * For the description of a model and for recipes, which work on families that we cannot run.
 * Stateless.
 */
#ifndef MODEL_HINTS_H
#define MODEL_HINTS_H

#include "gguf/gguf.h"

/* "<architecture>.<suffix>": a number, or the largest of an array; 0 when absent or not an integer.
 */
uint32_t hint_u32(const struct gguf *gguf, const char *suffix);
/* Sum over the layers: that of an array, or n_layer times the number. */
uint64_t hint_sum(const struct gguf *gguf, const char *suffix, uint32_t n_layer);
/* false only when the key is there and says so. */
bool hint_is_causal(const struct gguf *gguf);

/* "Q4_K_M" for a value of general.file_type; NULL when unknown. */
const char *hint_file_type_name(uint32_t file_type);

#endif
