/* SPDX-License-Identifier: MIT */
/* Tokens to visible text, with stop texts and character boundaries respected. */
#include "cli/text_flow.h"

#include <string.h>

static enum mscope_status decode_piece(struct text_flow *flow, const struct mscope_model *model,
                                       int32_t id, size_t *first, struct mscope_error *err);
static enum mscope_status move_anchor(struct text_flow *flow, const struct mscope_model *model,
                                      int32_t id, size_t first, struct mscope_error *err);
static bool find_stop(const struct text_flow *flow, size_t *where);
static size_t longest_beginning(const struct text_flow *flow);
static void give(struct text_flow *flow, size_t n_bytes);

void text_flow_init(struct text_flow *flow, text_flow_sink_fn *sink, void *user)
{
    *flow = (struct text_flow){.sink = sink, .user = user, .anchor = -1};
}

enum mscope_status text_flow_follow(struct text_flow *flow, const struct mscope_model *model,
                                    int32_t id, struct mscope_error *err)
{
    size_t first;
    return decode_piece(flow, model, id, &first, err);
}

enum mscope_status text_flow_push(struct text_flow *flow, const struct mscope_model *model,
                                  int32_t id, struct mscope_error *err)
{
    size_t first;
    enum mscope_status status = decode_piece(flow, model, id, &first, err);
    if (status == MSCOPE_OK && flow->piece.n_bytes > first) {
        text_flow_push_bytes(flow, flow->piece.data + first, flow->piece.n_bytes - first);
    }
    return status;
}

void text_flow_push_bytes(struct text_flow *flow, const char *bytes, size_t n_bytes)
{
    if (flow->stopped) {
        return;
    }
    strbuf_append(&flow->held, bytes, n_bytes);
    size_t n_free = flow->held.n_bytes;
    if (find_stop(flow, &n_free)) {
        flow->stopped = true;
    } else {
        n_free -= longest_beginning(flow);
    }
    give(flow, n_free);
}

void text_flow_flush(struct text_flow *flow)
{
    if (!flow->stopped) {
        give(flow, flow->held.n_bytes);
    }
    char tail[sizeof flow->utf8.held];
    size_t n_tail = mscope_utf8_stream_flush(&flow->utf8, tail);
    if (n_tail > 0) {
        flow->sink(flow->user, tail, n_tail);
    }
    strbuf_clear(&flow->held);
    flow->stopped = false;
}

void text_flow_free(struct text_flow *flow)
{
    strbuf_free(&flow->held);
    strbuf_free(&flow->piece);
}

enum mscope_status text_flow_detokenize(struct strbuf *text, const struct mscope_model *model,
                                        const int32_t *ids, size_t n_ids, bool render_special,
                                        struct mscope_error *err)
{
    size_t start = text->n_bytes, n_bytes = 0;
    char some[256];
    enum mscope_status status =
        mscope_detokenize(model, ids, n_ids, render_special, some, sizeof some, &n_bytes, err);
    if (status == MSCOPE_OK) {
        strbuf_append(text, some, n_bytes);
    } else if (status == MSCOPE_ERR_BUFFER) {
        char zeros[256] = {0};
        for (size_t n = 0; n < n_bytes; n += sizeof zeros) { /* room for the whole */
            strbuf_append(text, zeros, n_bytes - n < sizeof zeros ? n_bytes - n : sizeof zeros);
        }
        if (!text->failed) {
            status = mscope_detokenize(model, ids, n_ids, render_special, text->data + start,
                                       n_bytes, &n_bytes, err);
        }
    }
    if (text->failed) {
        return error_set_memory(err, "text", n_bytes);
    }
    return status;
}

/*
 * The bytes that `id` adds after the anchor, as flow->piece from byte *first on. A vocabulary that
 * puts a space before a text takes it off again at the beginning only, so a token is decoded
 * together with the one before it.
 */
static enum mscope_status decode_piece(struct text_flow *flow, const struct mscope_model *model,
                                       int32_t id, size_t *first, struct mscope_error *err)
{
    int32_t pair[2] = {flow->anchor, id};
    enum mscope_status status = MSCOPE_OK;
    *first = 0;
    strbuf_clear(&flow->piece);
    if (flow->anchor >= 0) {
        status = text_flow_detokenize(&flow->piece, model, pair, 1, false, err);
        *first = flow->piece.n_bytes;
        strbuf_clear(&flow->piece);
    }
    if (status == MSCOPE_OK) {
        bool alone = flow->anchor < 0;
        status = text_flow_detokenize(&flow->piece, model, alone ? &id : pair, alone ? 1 : 2, false,
                                      err);
    }
    if (status == MSCOPE_OK && (flow->piece.n_bytes > *first || flow->anchor < 0)) {
        status = move_anchor(flow, model, id, *first, err);
    }
    return status;
}

/* A lone space at the very beginning has no visible text, yet it is the one taken off: it shows
 * when doubled. */
static enum mscope_status move_anchor(struct text_flow *flow, const struct mscope_model *model,
                                      int32_t id, size_t first, struct mscope_error *err)
{
    enum mscope_status status = MSCOPE_OK;
    bool has_text = flow->piece.n_bytes > first;
    if (!has_text) {
        const int32_t twice[2] = {id, id};
        status = text_flow_detokenize(&flow->piece, model, twice, 2, false, err);
        has_text = flow->piece.n_bytes > first;
        strbuf_clear(&flow->piece);
    }
    if (has_text) {
        flow->anchor = id;
    }
    return status;
}

/* First byte of the earliest stop text in what is held. */
static bool find_stop(const struct text_flow *flow, size_t *where)
{
    for (size_t at = 0; at < flow->held.n_bytes; at++) {
        for (int i = 0; i < flow->n_stops; i++) {
            size_t n_stop = strlen(flow->stops[i]);
            if (n_stop <= flow->held.n_bytes - at &&
                memcmp(flow->held.data + at, flow->stops[i], n_stop) == 0) {
                *where = at;
                return true;
            }
        }
    }
    return false;
}

/* Bytes at the end of what is held that a stop text may begin with. */
static size_t longest_beginning(const struct text_flow *flow)
{
    size_t longest = 0;
    for (int i = 0; i < flow->n_stops; i++) {
        size_t n = strlen(flow->stops[i]) - 1;
        n = n < flow->held.n_bytes ? n : flow->held.n_bytes;
        for (; n > longest; n--) {
            if (memcmp(flow->held.data + flow->held.n_bytes - n, flow->stops[i], n) == 0) {
                longest = n;
            }
        }
    }
    return longest;
}

/* The first `n_bytes` of what is held go out at character boundaries. */
static void give(struct text_flow *flow, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        char out[256 + sizeof flow->utf8.held];
        size_t n = n_bytes - done < 256 ? n_bytes - done : 256;
        size_t n_out = mscope_utf8_stream_push(&flow->utf8, flow->held.data + done, n, out);
        if (n_out > 0) {
            flow->sink(flow->user, out, n_out);
        }
        done += n;
    }
    if (n_bytes > 0) {
        size_t n_left = flow->held.n_bytes - n_bytes;
        memmove(flow->held.data, flow->held.data + n_bytes, n_left);
        flow->held.n_bytes = n_left;
    }
}
