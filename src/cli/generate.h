/* SPDX-License-Identifier: MIT */
/*
 * One continuation: prefill the prompt, then draw, show and evaluate token by token, with the clock
 * and the byte counters read around both phases. Allocates nothing per token once buffers have
 * grown. One thread.
 */
#ifndef CLI_GENERATE_H
#define CLI_GENERATE_H

#include "cli/runtime.h"
#include "cli/text_flow.h"

enum generate_end {
    GENERATE_LENGTH,      /* -n tokens were made */
    GENERATE_END_TOKEN,   /* the model ended the text */
    GENERATE_STOP,        /* a stop text appeared */
    GENERATE_CONTEXT,     /* the context is full */
    GENERATE_INTERRUPTED, /* Ctrl-C */
    GENERATE_CLOSED       /* nobody reads the text any more */
};
const char *generate_end_name(enum generate_end end);

struct generate_params {
    struct mscope_sampler *sampler;
    struct text_flow *flow;
    int n_predict; /* -1: until the context is full */
    bool ignore_eos;
};

struct generate_result {
    enum generate_end end;
    int n_prompt; /* evaluated: fewer than given when interrupted */
    int n_generated;
    int n_decoded;   /* evaluations after the prompt: the last token made is not evaluated */
    int32_t pending; /* that token, -1: none; it belongs in front of what follows */
    uint64_t prefill_ns, first_token_ns, decode_ns; /* the second counts from the start */
    uint64_t decode_weight_bytes, decode_kv_bytes;
    unsigned char logits_sha256[32]; /* of the last logits, (n_vocab) little-endian floats */
    bool has_logits;
};

/* Is there room for a prompt of n tokens? */
enum mscope_status generate_check_room(const struct runtime *runtime, int n,
                                       struct mscope_error *err);

/* Continues the session with `ids` (n >= 1). On failure the session may have advanced by part of
 * the prompt. */
enum mscope_status generate_text(struct generate_result *out, struct runtime *runtime,
                                 const struct generate_params *params, const int32_t *ids, int n,
                                 struct mscope_error *err);

#endif
