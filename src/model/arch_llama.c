/* SPDX-License-Identifier: MIT */
/*
 * llama: Llama 1 to 3.2, TinyLlama, Mistral, and with experts Mixtral. Rows of q and k are permuted
 * in the file so that rotating neighbours is right. Llama 3 puts its rope scaling into the tensor
 * rope_freqs. A sliding window key is not read: the reference does not either. Mixtral divides the
 * top-k weights by their sum.
 */
#include "model/arch.h"

const struct arch arch_llama = {
    .name = "llama",
    .rope_style = ROPE_NORM,
    .experts = ARCH_DENSE_OR_MOE,
    .expert_renorm = true,
    .tensors = ARCH_OUTPUT_OPTIONAL | ARCH_ROPE_FACTORS | ARCH_ATTN_BIAS_OPTIONAL,
};
