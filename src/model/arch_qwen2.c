/* SPDX-License-Identifier: MIT */
/* qwen2: Qwen2 and Qwen2.5. Biases on q, k and v; rotates halves; the small ones tie the output. */
#include "model/arch.h"

const struct arch arch_qwen2 = {
    .name = "qwen2",
    .rope_style = ROPE_NEOX,
    .experts = ARCH_DENSE,
    .tensors = ARCH_OUTPUT_OPTIONAL | ARCH_QKV_BIAS,
};
