/* SPDX-License-Identifier: MIT */
/*
 * Generated tokens to visible text: pieces are joined, held back while they may be the beginning of
 * a stop text or of a UTF-8 character, then given to a sink. Owns its buffers, not the stop texts.
 * One thread.
 */
#ifndef CLI_TEXT_FLOW_H
#define CLI_TEXT_FLOW_H

#include "base/error.h"
#include "base/strbuf.h"

enum { TEXT_FLOW_MAX_STOPS = 64 };

typedef void text_flow_sink_fn(void *user, const char *bytes, size_t n_bytes);

struct text_flow {
    const char *stops[TEXT_FLOW_MAX_STOPS]; /* none is empty */
    int n_stops;
    text_flow_sink_fn *sink;
    void *user;
    bool stopped;   /* a stop text appeared; nothing more is given out */
    int32_t anchor; /* latest token that has text, -1: none; decides whether a space is dropped */
    struct strbuf held, piece;
    struct mscope_utf8_stream utf8;
};

void text_flow_init(struct text_flow *flow, text_flow_sink_fn *sink, void *user);
/* A token of the prompt: shows nothing, but what follows is joined to it. */
enum mscope_status text_flow_follow(struct text_flow *flow, const struct mscope_model *model,
                                    int32_t id, struct mscope_error *err);
/* A generated token; end tokens and other control tokens have no text. */
enum mscope_status text_flow_push(struct text_flow *flow, const struct mscope_model *model,
                                  int32_t id, struct mscope_error *err);
/* Bytes instead of a token. */
void text_flow_push_bytes(struct text_flow *flow, const char *bytes, size_t n_bytes);
/* Gives out what is still held back, unless a stop text appeared; ready for the next text. */
void text_flow_flush(struct text_flow *flow);
void text_flow_free(struct text_flow *flow);

/* Ids to bytes, appended to `text`. */
enum mscope_status text_flow_detokenize(struct strbuf *text, const struct mscope_model *model,
                                        const int32_t *ids, size_t n_ids, bool render_special,
                                        struct mscope_error *err);

#endif
