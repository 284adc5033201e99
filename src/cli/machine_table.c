/* SPDX-License-Identifier: MIT */
/* machine --from: the table of kernels of a measurement that was kept. */
#include "cli/machine_table.h"

#include "cli/input.h"
#include "cli/output.h"

#include "base/strbuf.h"
#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PRODUCTS = 1024 };

struct product {
    const char *type;
    double n_in, n_out, tokens, weights_gbps, read_gbps, gops;
};

struct measurement {
    json_t *json;
    struct product products[MAX_PRODUCTS];
    int n;
    double int8_gops, fp32_gflops; /* with the threads of the products */
    double threads;
};

static enum mscope_status load(struct measurement *from, const char *path,
                               struct mscope_error *err);
static double number_at(const json_t *json, const char *key);
static const char *text_at(const json_t *json, const char *key);
static void print_page(const struct measurement *from);
static void print_heading(const struct measurement *from);
static void print_type(const struct measurement *from, const char *type);
static void print_csv(const struct measurement *from);
static double of_read(const struct product *product);
static double of_peak(const struct measurement *from, const struct product *product);

enum mscope_status machine_table_print(const char *path, const char *format,
                                       struct mscope_error *err)
{
    struct measurement *from = calloc(1, sizeof *from);
    if (from == NULL) {
        return error_set_memory(err, path, sizeof *from);
    }
    enum mscope_status status = load(from, path, err);
    if (status == MSCOPE_OK && strcmp(format, "csv") == 0) {
        print_csv(from);
    } else if (status == MSCOPE_OK) {
        print_page(from);
    }
    json_decref(from->json);
    free(from);
    return status;
}

static enum mscope_status load(struct measurement *from, const char *path, struct mscope_error *err)
{
    struct strbuf text = {0};
    enum mscope_status status = input_read_text(&text, path, err);
    if (status == MSCOPE_OK) {
        json_error_t problem;
        from->json = json_loadb(text.n_bytes > 0 ? text.data : "", text.n_bytes, 0, &problem);
        if (from->json == NULL) {
            status =
                error_set(err, MSCOPE_ERR_FORMAT, path, "line %d: %s", problem.line, problem.text);
        }
    }
    strbuf_free(&text);
    const json_t *list = json_object_get(from->json, "products");
    size_t i;
    json_t *at;
    json_array_foreach(list, i, at)
    {
        struct product *product = &from->products[from->n];
        *product = (struct product){text_at(at, "type"),           number_at(at, "n_in"),
                                    number_at(at, "n_out"),        number_at(at, "tokens"),
                                    number_at(at, "weights_gbps"), number_at(at, "read_gbps"),
                                    number_at(at, "gops")};
        from->threads = number_at(at, "threads");
        from->n += from->n < MAX_PRODUCTS - 1 && product->type != NULL;
    }
    json_array_foreach(json_object_get(from->json, "ceilings"), i, at)
    {
        if (number_at(at, "threads") == from->threads) {
            from->int8_gops = number_at(at, "int8_gops");
            from->fp32_gflops = number_at(at, "fp32_gflops");
        }
    }
    if (status == MSCOPE_OK && from->n == 0) {
        status = error_set(err, MSCOPE_ERR_FORMAT, path,
                           "no products, expected the output of 'moescope machine --json'");
    }
    return status;
}

static double number_at(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_at(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void print_page(const struct measurement *from)
{
    static const char *const facts[] = {"cpu", "os", "cpu_level", "commit", "flags", "started_at"};
    out_printf("# Speed of the kernels\n\nMade by `moescope machine --from` from the output of "
               "`moescope machine --json`; do not edit.\n\n");
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const char *text = text_at(from->json, facts[i]);
        if (text != NULL) {
            out_printf("- %s: %s\n", facts[i], text);
        }
    }
    out_printf("- threads: %.0f\n- int8 dot products: %.0f GOP/s, fp32 FMA: %.0f GFLOP/s\n\n",
               from->threads, from->int8_gops, from->fp32_gflops);
    print_heading(from);
    for (int i = 0; i < from->n; i++) {
        if (i == 0 || strcmp(from->products[i].type, from->products[i - 1].type) != 0) {
            print_type(from, from->products[i].type);
        }
    }
    out_printf(
        "\nOne token: GB/s of weights from memory, by columns x rows of the matrix; of roof: "
        "their median share of the read\nbandwidth, measured before and after each type. "
        "More tokens: GOP/s; of peak: with the most tokens, of the int8 peak\n(F16, BF16 "
        "and F32: of the fp32 peak).\n");
}

/* The shapes of the first type are those of all. */
static void print_heading(const struct measurement *from)
{
    int n_columns = 3;
    bool is_single = true;
    out_printf("| type");
    for (int i = 0; i < from->n; i++) {
        const struct product *product = &from->products[i];
        if (strcmp(product->type, from->products[0].type) != 0) {
            break;
        }
        if (is_single && product->tokens > 1) {
            out_printf(" | of roof");
            is_single = false;
        }
        if (is_single) {
            out_printf(" | %.0fx%.0f", product->n_in, product->n_out);
        } else {
            out_printf(" | %.0f tokens", product->tokens);
        }
        n_columns++;
    }
    out_printf(" | of peak |\n|---");
    for (int i = 1; i < n_columns; i++) {
        out_printf("|---:");
    }
    out_printf("|\n");
}

static void print_type(const struct measurement *from, const char *type)
{
    double shares[MAX_PRODUCTS], peak = NAN;
    size_t n_shares = 0;
    bool is_single = true;
    out_printf("| %s", type);
    for (int i = 0; i < from->n; i++) {
        const struct product *product = &from->products[i];
        if (strcmp(product->type, type) != 0) {
            continue;
        }
        if (is_single && product->tokens > 1) {
            double share = stats_of(shares, n_shares).median;
            out_printf(isnan(share) ? " | -" : " | %.0f %%", 100 * share);
            is_single = false;
        }
        if (is_single) {
            shares[n_shares++] = of_read(product);
            out_printf(" | %.1f", product->weights_gbps);
        } else {
            out_printf(" | %.0f", product->gops);
        }
        peak = of_peak(from, product);
    }
    out_printf(isnan(peak) ? " | - |\n" : " | %.0f %% |\n", 100 * peak);
}

static void print_csv(const struct measurement *from)
{
    out_printf("type,n_in,n_out,tokens,threads,weights_gbps,read_gbps,of_read_roof,gops,of_peak,"
               "cpu_level,commit\n");
    const char *level = text_at(from->json, "cpu_level"), *commit = text_at(from->json, "commit");
    for (int i = 0; i < from->n; i++) {
        const struct product *product = &from->products[i];
        out_printf("%s,%.0f,%.0f,%.0f,%.0f,%.9g,", product->type, product->n_in, product->n_out,
                   product->tokens, from->threads, product->weights_gbps);
        if (isfinite(of_read(product))) {
            out_printf("%.9g,%.9g", product->read_gbps, of_read(product));
        } else {
            out_printf(",");
        }
        out_printf(",%.9g,%.9g,%s,%s\n", product->gops, of_peak(from, product),
                   level != NULL ? level : "", commit != NULL ? commit : "");
    }
}

static double of_read(const struct product *product)
{
    return product->weights_gbps / product->read_gbps;
}

static double of_peak(const struct measurement *from, const struct product *product)
{
    bool is_float = strcmp(product->type, "F16") == 0 || strcmp(product->type, "BF16") == 0 ||
                    strcmp(product->type, "F32") == 0;
    return product->gops / (is_float ? from->fp32_gflops : from->int8_gops);
}
