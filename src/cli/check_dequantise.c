/* SPDX-License-Identifier: MIT */
/* Gate 1 of `check`: elements of every type in the file against the published formulas. */
#include "cli/check.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>

enum { N_ELEMENTS = 512 };
static const double ALLOWED = 1e-6; /* of the terms' magnitude: a few roundings to float */

struct tally {
    int n_types;
    uint64_t n_elements;
    double worst; /* error / magnitude */
    char where[160];
};

static void check_type(struct tally *tally, const struct gguf *gguf, const struct kernels *kernels,
                       enum dtype type);
static void check_piece(struct tally *tally, const struct kernels *kernels,
                        const struct gguf_tensor *tensor, uint64_t first, uint32_t n);

void check_dequantise(struct check_gate *gate, const char *path, const char *cpu_level)
{
    struct mscope_error err;
    struct gguf *gguf = NULL;
    struct kernels kernels;
    enum mscope_status status = kernels_select(&kernels, cpu_level, &err);
    if (status == MSCOPE_OK) {
        status = gguf_open(&gguf, path, &err);
    }
    if (status != MSCOPE_OK) {
        check_fail_with(gate, &err);
        return;
    }
    struct tally tally = {0};
    for (int type = 0; type < DTYPE_COUNT; type++) {
        check_type(&tally, gguf, &kernels, (enum dtype)type);
    }
    check_pass_if(gate, tally.n_types > 0 && tally.worst <= ALLOWED,
                  "%d types, %llu elements: largest error %.1e of the terms, allowed %.0e%s%s",
                  tally.n_types, (unsigned long long)tally.n_elements, tally.worst, ALLOWED,
                  tally.worst <= ALLOWED ? "" : "; worst in ",
                  tally.worst <= ALLOWED ? "" : tally.where);
    gguf_close(&gguf);
}

/* Pieces spread over the tensors of the type and over each tensor. */
static void check_type(struct tally *tally, const struct gguf *gguf, const struct kernels *kernels,
                       enum dtype type)
{
    uint64_t n_tensors = gguf_n_tensors(gguf), n_of_type = 0;
    for (uint64_t i = 0; i < n_tensors; i++) {
        n_of_type += gguf_tensor_at(gguf, i)->type == type ? 1 : 0;
    }
    if (n_of_type == 0) {
        return;
    }
    tally->n_types++;
    uint32_t n_block = dtype_get((uint32_t)type)->block_elems;
    uint32_t n_piece = n_block > 32 ? n_block : 32;
    uint32_t n_pieces = N_ELEMENTS / n_piece;
    for (uint32_t k = 0; k < n_pieces; k++) {
        uint64_t i_wanted = k * n_of_type / n_pieces, i_tensor = 0;
        while (gguf_tensor_at(gguf, i_tensor)->type != type || i_wanted-- > 0) {
            i_tensor++;
        }
        const struct gguf_tensor *tensor = gguf_tensor_at(gguf, i_tensor);
        uint64_t n_places = tensor->n_elems / n_piece;
        uint64_t place = n_places > 0 ? k * UINT64_C(2654435761) % n_places : 0;
        uint32_t n = tensor->n_elems < n_piece ? (uint32_t)tensor->n_elems : n_piece;
        check_piece(tally, kernels, tensor, place * n_piece, n);
    }
}

/* n elements from element `first` of a tensor, a whole number of blocks. */
static void check_piece(struct tally *tally, const struct kernels *kernels,
                        const struct gguf_tensor *tensor, uint64_t first, uint32_t n)
{
    const struct dtype_info *info = dtype_get((uint32_t)tensor->type);
    const unsigned char *blocks =
        (const unsigned char *)tensor->data + first / info->block_elems * info->block_bytes;
    float values[256];
    kernels->dequantize[tensor->type](values, blocks, n);
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *block = blocks + i / info->block_elems * info->block_bytes;
        struct check_value formula = check_formula(tensor->type, block, i % info->block_elems);
        double error = fabs((double)values[i] - formula.value);
        double relative = error == 0 || values[i] == (float)formula.value
                              ? 0
                              : error / (formula.magnitude > 1e-37 ? formula.magnitude : 1e-37);
        tally->n_elements++;
        if (!(relative <= tally->worst) || !isfinite(values[i])) {
            tally->worst = isfinite(values[i]) && isfinite(relative) ? relative : INFINITY;
            snprintf(tally->where, sizeof tally->where, "tensor %s element %llu", tensor->name,
                     (unsigned long long)(first + i));
        }
    }
}
