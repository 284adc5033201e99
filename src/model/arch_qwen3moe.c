/* SPDX-License-Identifier: MIT */
/*
 * qwen3moe: Qwen3-30B-A3B and its larger sister. Q and k are normalised head by head, with one
 * vector for all heads, before they are rotated; softmax over all experts, the top-k weights
 * divided by their sum. The width of an expert is expert_feed_forward_length.
 */
#include "model/arch.h"

const struct arch arch_qwen3moe = {
    .name = "qwen3moe",
    .rope_style = ROPE_NEOX,
    .experts = ARCH_MOE,
    .expert_renorm = true,
    .tensors = ARCH_QK_NORM_HEADS | ARCH_OUTPUT_OPTIONAL,
};
