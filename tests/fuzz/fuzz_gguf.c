/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target of the GGUF reader: any bytes are refused with a message or give a file of which
 * every key, array element and tensor edge can be used as gguf.h promises.
 */
#include "../gguf/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static volatile uint64_t sink; /* keeps the reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct gguf *gguf;
    struct mscope_error err = {0};
    enum mscope_status status = gguf_open_memory(&gguf, data, n_bytes, "fuzz", &err);
    if (status != MSCOPE_OK) {
        walk_require(gguf == NULL && err.status == status);
        walk_require(err.object[0] != '\0' && err.detail[0] != '\0');
        return 0;
    }
    sink = walk_all(gguf);
    gguf_close(&gguf);
    walk_require(gguf == NULL);
    return 0;
}
