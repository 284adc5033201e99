/* SPDX-License-Identifier: MIT */
/*
 * olmoe: OLMoE-1B-7B. Q and k are normalised over the whole projection before the split into heads;
 * softmax over all experts, the top-k weights used as they are. The width of an expert is
 * feed_forward_length.
 */
#include "model/arch.h"

const struct arch arch_olmoe = {
    .name = "olmoe",
    .rope_style = ROPE_NEOX,
    .experts = ARCH_MOE,
    .expert_renorm = false,
    .tensors = ARCH_QK_NORM_FULL,
};
