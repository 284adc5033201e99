/* SPDX-License-Identifier: MIT */
/*
 * gemma2: Gemma 2. Embeddings times sqrt(n_embd); a norm before and one after each branch (weights
 * hold the +1 already); tanh-GELU; soft caps on scores and logits; every other layer, from the
 * first, has a sliding window; output always tied. The 27B scales scores by the model width per
 * head instead of the head size.
 */
#include "model/arch.h"

#include <math.h>

enum { N_LAYER_27B = 46 };

static void read_config(struct model_config *config, struct config_reader *reader)
{
    config->activation = FFN_GELU;
    config->embedding_scale = sqrtf((float)config->n_embd);
    float scaled_by = config->n_layer == N_LAYER_27B ? (float)config->n_embd / (float)config->n_head
                                                     : (float)config->head_dim_k;
    config->attn_scale = 1.0f / sqrtf(scaled_by);
    config->attn_softcap = 50.0f;
    config->logit_softcap = 30.0f;
    config_read_f32(reader, &config->attn_softcap, "attn_logit_softcapping", false, 0.0f, 1e6f);
    config_read_f32(reader, &config->logit_softcap, "final_logit_softcapping", false, 0.0f, 1e6f);
    config->window = 4096;
    config->window_period = 2;
    config_read_u32(reader, &config->window, "attention.sliding_window", false, 1, INT32_MAX);
    config_read_u32(reader, &config->window_period, "attention.sliding_window_pattern", false, 1,
                    1024);
}

const struct arch arch_gemma2 = {
    .name = "gemma2",
    .rope_style = ROPE_NEOX,
    .experts = ARCH_DENSE,
    .tensors = ARCH_OUTPUT_TIED | ARCH_POST_NORMS,
    .read_config = read_config,
};
