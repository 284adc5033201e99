/* SPDX-License-Identifier: MIT */
/* machine: what this computer is, what it feels, and its ceilings by number of threads. */
#include "cli/cli.h"
#include "cli/machine_products.h"
#include "cli/machine_table.h"
#include "cli/output.h"

#include "base/units.h"
#include "machine/energy.h"
#include "machine/machine.h"
#include "machine/peaks.h"
#include "machine/system.h"
#include "measure/condition.h"
#include "measure/plan.h"
#include "measure/provenance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SETTINGS = 64 };
static const double PRODUCT_SHARE = 0.1; /* of --seconds, for each of some hundred products */
/* Threads on cores of their own multiply the peak, but for the clock that sinks under load. */
static const double LEAST_SCALING = 0.6;

struct ceiling { /* of one number of threads; per second */
    int n_threads;
    struct machine_bandwidth read, write, copy;
    struct machine_peaks peaks;
    double handoff_ns;
};

struct facts {
    char cpu[128];
    struct machine_topology topology;
    struct machine_memory memory;
    struct condition_mark mark;
    struct system_swap swap;
    double temp_c;
    char temp_sensor[SYSTEM_SENSOR_BYTES];
    struct energy_sampler *energy;
};

static enum mscope_status read_facts(struct facts *facts, struct mscope_error *err);
static enum mscope_status choose_threads(int *threads, int *n, const struct options *options,
                                         struct mscope_error *err);
static enum mscope_status measure(struct ceiling *ceiling, int n_threads,
                                  const struct options *options, struct mscope_error *err);
static void print_facts(const struct facts *facts);
static void print_caches(const struct machine_topology *topology);
static void print_ceilings(const struct ceiling *ceilings, int n);
static json_t *facts_json(const struct facts *facts);
static void print_scaling(const struct ceiling *ceilings, int n);
static void add_provenance(json_t *json);
static json_t *ceilings_json(const struct ceiling *ceilings, int n);
static json_t *scaling_json(const struct ceiling *ceilings, int n);
static bool cores_are_shared(const struct ceiling *one, const struct ceiling *many);

int cmd_machine(const struct cli_verb *verb, const struct options *options)
{
    (void)verb;
    struct mscope_error err = {0};
    struct facts facts;
    struct ceiling ceilings[MAX_SETTINGS];
    int threads[MAX_SETTINGS];
    int n = 0;
    bool is_json = options_flag(options, "json");
    const char *kept = options_text(options, "from");
    if (kept != NULL) {
        return machine_table_print(kept, options_text(options, "output"), &err) == MSCOPE_OK
                   ? CLI_OK
                   : out_error(&err);
    }
    enum mscope_status status = choose_threads(threads, &n, options, &err);
    if (status != MSCOPE_OK) {
        return out_error(&err);
    }
    status = read_facts(&facts, &err);
    if (status == MSCOPE_OK && !is_json) {
        print_facts(&facts);
        out_flush();
    }
    n = options_flag(options, "no-roof") ? 0 : n;
    for (int i = 0; i < n && status == MSCOPE_OK; i++) {
        status = measure(&ceilings[i], threads[i], options, &err);
    }
    if (status == MSCOPE_OK && n > 0 && !is_json) {
        print_ceilings(ceilings, n);
        print_scaling(ceilings, n);
        out_flush();
    }
    struct machine_products products = {0};
    bool wanted = n > 0 && !options_flag(options, "no-products");
    if (status == MSCOPE_OK && wanted) {
        double seconds = options_float(options, "seconds") * PRODUCT_SHARE;
        status = machine_products_measure(&products, threads[n - 1], options_text(options, "cpu"),
                                          (uint64_t)(seconds * 1e9), &err);
    }
    if (status == MSCOPE_OK && is_json) {
        json_t *json = facts_json(&facts);
        add_provenance(json);
        json_object_set_new(json, "cpu_level", wanted ? json_text(products.level) : json_null());
        json_object_set_new(json, "ceilings", ceilings_json(ceilings, n));
        json_object_set_new(json, "scaling", scaling_json(ceilings, n));
        json_object_set_new(json, "products", machine_products_json(&products));
        out_json(json);
    } else if (status == MSCOPE_OK && wanted) {
        machine_products_print(&products);
    }
    machine_products_free(&products);
    energy_close(&facts.energy);
    return status == MSCOPE_OK ? CLI_OK : out_error(&err);
}

static enum mscope_status read_facts(struct facts *facts, struct mscope_error *err)
{
    *facts = (struct facts){0};
    machine_cpu_name(facts->cpu, sizeof facts->cpu);
    condition_look(&facts->mark, "");
    system_read_swap(&facts->swap, "");
    facts->temp_c = system_read_temp_c(facts->temp_sensor, "");
    enum mscope_status status = machine_read_topology(&facts->topology, err);
    status = status == MSCOPE_OK ? machine_read_memory(&facts->memory, err) : status;
    return status == MSCOPE_OK ? energy_open(&facts->energy, "", NULL, err) : status;
}

/* One, and doubled until all cores are at work. */
static enum mscope_status choose_threads(int *threads, int *n, const struct options *options,
                                         struct mscope_error *err)
{
    const char *list = options_text(options, "threads");
    if (list != NULL) {
        return plan_parse_list(threads, n, MAX_SETTINGS, list, "--threads", 1, 1024, err);
    }
    int n_cores = machine_n_physical_cores();
    for (int i = 1; i < n_cores; i *= 2) {
        threads[(*n)++] = i;
    }
    threads[(*n)++] = n_cores;
    return MSCOPE_OK;
}

static enum mscope_status measure(struct ceiling *ceiling, int n_threads,
                                  const struct options *options, struct mscope_error *err)
{
    uint64_t buffer = machine_stream_buffer_bytes();
    uint64_t budget_ns = (uint64_t)(options_float(options, "seconds") * 1e9);
    struct pool *pool;
    *ceiling = (struct ceiling){.n_threads = n_threads};
    struct machine_binding *binding; /* as the engine */
    machine_bind_fastest(&binding, n_threads);
    enum mscope_status status = pool_open(&pool, n_threads, err);
    if (status != MSCOPE_OK) {
        machine_unbind(&binding);
        return status;
    }
    status = machine_measure_peaks(&ceiling->peaks, pool, options_text(options, "cpu"),
                                   2 * budget_ns, err);
    if (status == MSCOPE_OK) {
        status = machine_measure_read(&ceiling->read, pool, buffer, budget_ns, err);
    }
    if (status == MSCOPE_OK) {
        status = machine_measure_write(&ceiling->write, pool, buffer, budget_ns, err);
    }
    if (status == MSCOPE_OK) {
        status = machine_measure_copy(&ceiling->copy, pool, buffer, budget_ns, err);
    }
    ceiling->handoff_ns = machine_measure_handoff_ns(pool);
    pool_close(&pool);
    machine_unbind(&binding);
    return status;
}

static void print_facts(const struct facts *facts)
{
    const struct machine_topology *topology = &facts->topology;
    const struct condition_mark *mark = &facts->mark;
    char a[UNITS_TEXT_BYTES], b[UNITS_TEXT_BYTES];
    out_printf("CPU          %s\n", facts->cpu);
    out_printf("cores        %d physical, %d logical, %d package%s, %d NUMA node%s",
               topology->n_cores, topology->n_threads, topology->n_packages,
               topology->n_packages == 1 ? "" : "s", topology->n_nodes,
               topology->n_nodes == 1 ? "" : "s");
    if (topology->cpu_quota > 0) {
        out_printf("; limited to the time of %.3g", topology->cpu_quota);
    }
    out_printf("\n");
    print_caches(topology);
    out_printf("memory       %s, %s available\n", units_bytes(a, facts->memory.total),
               units_bytes(b, facts->memory.available));
    if (facts->swap.total_bytes >= 0) {
        out_printf("swap         %s, %s used\n", units_bytes(a, (uint64_t)facts->swap.total_bytes),
                   units_bytes(b, (uint64_t)facts->swap.used_bytes));
    }
    out_printf("load         %.2f\n", mark->load1);
    if (!isnan(mark->freq_mhz_min)) {
        out_printf("clock        %.0f to %.0f MHz now\n", mark->freq_mhz_min, mark->freq_mhz_max);
    }
    out_printf("governor     %s\n", mark->governor[0] != '\0' ? mark->governor : "not available");
    if (mark->on_battery == 0 || mark->on_battery == 1) {
        out_printf("power        %s\n", mark->on_battery == 1 ? "battery" : "mains");
    }
    if (isnan(facts->temp_c)) {
        out_printf("temperature  not available: no sensor of the CPU\n");
    } else {
        out_printf("temperature  %.1f C (%s)\n", facts->temp_c, facts->temp_sensor);
    }
    if (energy_source(facts->energy) == NULL) {
        out_printf("energy       not available: %s\n", energy_reason(facts->energy));
    } else {
        out_printf("energy       %s (%s), %.0f samples a second\n", energy_source(facts->energy),
                   energy_scope(facts->energy), energy_rate_hz(facts->energy));
    }
}

/* Caches come in powers of two. */
static void print_caches(const struct machine_topology *topology)
{
    out_printf("caches      ");
    for (int i = 0; i < topology->n_caches; i++) {
        const struct machine_cache *cache = &topology->caches[i];
        bool is_large = cache->bytes >= 1 << 20;
        out_printf("%s L%d%s %.4g %s", i > 0 ? "," : "", cache->level,
                   cache->is_instruction ? "i"
                   : cache->level == 1   ? "d"
                                         : "",
                   (double)cache->bytes / (is_large ? 1 << 20 : 1 << 10), is_large ? "MiB" : "KiB");
        if (cache->n > 1) {
            out_printf(" x%d", cache->n);
        }
        if (cache->n_sharing > 1) {
            out_printf(" (shared by %d)", cache->n_sharing);
        }
    }
    out_printf("%s\n", topology->n_caches == 0 ? " not known" : "");
}

static void print_ceilings(const struct ceiling *ceilings, int n)
{
    out_printf("\n%8s %10s %10s %10s %12s %12s\n", "threads", "read", "write", "copy", "fp32 FMA",
               "int8 dot");
    out_printf("%8s %10s %10s %10s %12s %12s\n", "", "GB/s", "GB/s", "GB/s", "GFLOP/s", "GOP/s");
    for (int i = 0; i < n; i++) {
        const struct ceiling *at = &ceilings[i];
        out_printf("%8d %10.1f %10.1f %10.1f %12.1f %12.1f\n", at->n_threads,
                   at->read.median * 1e-9, at->write.median * 1e-9, at->copy.median * 1e-9,
                   at->peaks.fp32.median * 1e-9, at->peaks.int8.median * 1e-9);
    }
    out_printf("\nmedians, peaks at kernel level %s\n", ceilings[0].peaks.level);
    if (!isnan(ceilings[n - 1].handoff_ns)) {
        out_printf("handoff      %.0f ns for a cache line from one core to the next, %d threads\n",
                   ceilings[n - 1].handoff_ns, ceilings[n - 1].n_threads);
    }
}

static void print_scaling(const struct ceiling *ceilings, int n)
{
    const struct ceiling *one = &ceilings[0];
    const struct ceiling *many = &ceilings[n - 1];
    if (many->n_threads <= one->n_threads) {
        return;
    }
    out_printf("scaling      %d -> %d threads: fp32 x%.2f, int8 x%.2f, read x%.2f (of the fastest "
               "passes x%.2f, x%.2f, x%.2f)\n",
               one->n_threads, many->n_threads, many->peaks.fp32.median / one->peaks.fp32.median,
               many->peaks.int8.median / one->peaks.int8.median,
               many->read.median / one->read.median, many->peaks.fp32.best / one->peaks.fp32.best,
               many->peaks.int8.best / one->peaks.int8.best, many->read.best / one->read.best);
    if (cores_are_shared(one, many)) {
        out_printf(
            "             less than the threads added: logical CPUs share physical cores now, "
            "whatever the\n             system says of its topology, or others use them\n");
    }
}

/* Peaks that do not grow with the threads have no more cores behind them. */
static bool cores_are_shared(const struct ceiling *one, const struct ceiling *many)
{
    double least = LEAST_SCALING * many->n_threads / one->n_threads;
    return many->n_threads > one->n_threads &&
           many->peaks.fp32.median < least * one->peaks.fp32.median &&
           many->peaks.int8.median < least * one->peaks.int8.median;
}

static json_t *scaling_json(const struct ceiling *ceilings, int n)
{
    if (n < 1 || ceilings[n - 1].n_threads <= ceilings[0].n_threads) {
        return json_null();
    }
    const struct ceiling *one = &ceilings[0];
    const struct ceiling *many = &ceilings[n - 1];
    return json_pack("{s:i, s:i, s:f, s:f, s:f, s:b}", "threads_from", one->n_threads, "threads_to",
                     many->n_threads, "fp32", many->peaks.fp32.median / one->peaks.fp32.median,
                     "int8", many->peaks.int8.median / one->peaks.int8.median, "read",
                     many->read.median / one->read.median, "cores_shared",
                     cores_are_shared(one, many));
}

static json_t *facts_json(const struct facts *facts)
{
    const struct machine_topology *topology = &facts->topology;
    const struct condition_mark *mark = &facts->mark;
    const char *source = energy_source(facts->energy);
    json_t *caches = json_array();
    for (int i = 0; i < topology->n_caches; i++) {
        const struct machine_cache *cache = &topology->caches[i];
        json_array_append_new(caches, json_pack("{s:i, s:s, s:I, s:i, s:i, s:i, s:i}", "level",
                                                cache->level, "kind",
                                                cache->is_instruction ? "instruction" : "data",
                                                "bytes", (json_int_t)cache->bytes, "n", cache->n,
                                                "shared_by", cache->n_sharing, "line_bytes",
                                                cache->line_bytes, "ways", cache->ways));
    }
    json_t *json = json_object();
    json_object_set_new(json, "cpu", json_text(facts->cpu));
    json_object_set_new(json, "n_cores_physical", json_integer(topology->n_cores));
    json_object_set_new(json, "n_cores_logical", json_integer(topology->n_threads));
    json_object_set_new(json, "n_packages", json_integer(topology->n_packages));
    json_object_set_new(json, "n_numa_nodes", json_integer(topology->n_nodes));
    json_object_set_new(json, "cpu_quota",
                        json_number(topology->cpu_quota > 0 ? topology->cpu_quota : NAN));
    json_object_set_new(json, "caches", caches);
    json_object_set_new(json, "ram_bytes", json_count(facts->memory.total));
    json_object_set_new(json, "ram_available_bytes", json_count(facts->memory.available));
    json_object_set_new(json, "swap_used_bytes",
                        facts->swap.used_bytes >= 0 ? json_integer(facts->swap.used_bytes)
                                                    : json_null());
    json_object_set_new(json, "load1", json_number(mark->load1));
    json_object_set_new(json, "freq_mhz_min", json_number(mark->freq_mhz_min));
    json_object_set_new(json, "freq_mhz_max", json_number(mark->freq_mhz_max));
    json_object_set_new(json, "governor",
                        mark->governor[0] != '\0' ? json_text(mark->governor) : json_null());
    json_object_set_new(json, "on_battery",
                        mark->on_battery == 0 || mark->on_battery == 1
                            ? json_boolean(mark->on_battery)
                            : json_null());
    json_object_set_new(json, "temp_c", json_number(facts->temp_c));
    json_object_set_new(json, "temp_sensor",
                        facts->temp_sensor[0] != '\0' ? json_text(facts->temp_sensor)
                                                      : json_null());
    json_object_set_new(json, "energy_source", source != NULL ? json_text(source) : json_null());
    json_object_set_new(json, "energy_scope",
                        source != NULL ? json_text(energy_scope(facts->energy)) : json_null());
    json_object_set_new(json, "energy_reason",
                        source == NULL ? json_text(energy_reason(facts->energy)) : json_null());
    return json;
}

/* So that a file of it says what was measured when and by what; null what the build does not know.
 */
static void add_provenance(json_t *json)
{
    static const char *const names[] = {"version", "commit",           "compiler",  "flags",
                                        "os",      "host_fingerprint", "started_at"};
    struct record record;
    struct mscope_error unused;
    int argc;
    const char *const *argv = cli_command_line(&argc);
    record_init(&record);
    if (provenance_fill(&record, argc, argv, &unused) == MSCOPE_OK) {
        provenance_stamp(&record, &unused);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t offset = record_find_field(names[i])->offset;
        const char *text = *(char *const *)((const char *)&record + offset);
        json_object_set_new(json, names[i], text != NULL ? json_text(text) : json_null());
    }
    record_free(&record);
}

static json_t *ceilings_json(const struct ceiling *ceilings, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const struct ceiling *at = &ceilings[i];
        json_t *json = json_object();
        json_object_set_new(json, "threads", json_integer(at->n_threads));
        json_object_set_new(json, "read_gbps", json_number(at->read.median * 1e-9));
        json_object_set_new(json, "read_gbps_best", json_number(at->read.best * 1e-9));
        json_object_set_new(json, "write_gbps", json_number(at->write.median * 1e-9));
        json_object_set_new(json, "copy_gbps", json_number(at->copy.median * 1e-9));
        json_object_set_new(json, "fp32_gflops", json_number(at->peaks.fp32.median * 1e-9));
        json_object_set_new(json, "int8_gops", json_number(at->peaks.int8.median * 1e-9));
        json_object_set_new(json, "handoff_ns", json_number(at->handoff_ns));
        json_object_set_new(json, "cpu_level", json_text(at->peaks.level));
        json_array_append_new(list, json);
    }
    return list;
}
