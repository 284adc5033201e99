/* SPDX-License-Identifier: MIT */
/* Energy sources on recorded machines, and the sampling thread on a source made for it. */
#include "machine/energy.h"

#include "base/clock.h"
#include "machine/energy_source.h"
#include "machine/nvml.h"
#include "tree.h"

#include <math.h>
#include <semaphore.h>

static struct tree tree;
static char scope[ENERGY_TEXT_BYTES], reason[ENERGY_TEXT_BYTES];

static int setup(void **state)
{
    (void)state;
    tree_make(&tree);
    scope[0] = '\0';
    reason[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) < 1e-6 * (1 + fabs(expected)))) {
        fail_msg("%.12g, expected %.12g", actual, expected);
    }
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\", expected \"%s\" in it", text, part);
    }
}

static void zone(const char *folder, const char *name, const char *energy, const char *range)
{
    char path[256];
    snprintf(path, sizeof path, "sys/class/powercap/%s/name", folder);
    tree_write(&tree, path, name);
    snprintf(path, sizeof path, "sys/class/powercap/%s/energy_uj", folder);
    tree_write(&tree, path, energy);
    snprintf(path, sizeof path, "sys/class/powercap/%s/max_energy_range_uj", folder);
    tree_write(&tree, path, range);
}

/* A laptop: package with cores and graphics inside, memory, and the whole system once more. */
static void write_laptop(void)
{
    tree_write(&tree, "sys/class/powercap/intel-rapl/enabled", "1\n");
    zone("intel-rapl:0", "package-0\n", "1000000000\n", "262143328850\n");
    zone("intel-rapl:0:0", "core\n", "700000000\n", "262143328850\n");
    zone("intel-rapl:0:1", "uncore\n", "50000000\n", "262143328850\n");
    zone("intel-rapl:0:2", "dram\n", "262143000000\n", "262143328850\n");
    zone("intel-rapl:1", "psys\n", "1900000000\n", "262143328850\n");
    zone("intel-rapl-mmio:0", "package-0\n", "1000000000\n", "262143328850\n");
}

static double read_ok(const struct energy_source_class *class, struct energy_source *source,
                      bool *wrapped)
{
    double value = NAN;
    *wrapped = false;
    if (!class->read(source, &value, wrapped, reason)) {
        fail_msg("%s", reason);
    }
    return value;
}

static void rapl_sums_packages_and_memory_and_mends_wraps(void **state)
{
    (void)state;
    write_laptop();
    struct energy_source *source = energy_source_rapl.open(tree.root, scope, reason);
    assert_non_null(source);
    assert_string_equal(scope, "package-0 + dram");
    bool wrapped;
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 0);
    zone("intel-rapl:0", "package-0\n", "1025000000\n", "262143328850\n");
    zone("intel-rapl:0:0", "core\n", "900000000\n", "262143328850\n");
    zone("intel-rapl:1", "psys\n", "9000000000\n", "262143328850\n");
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 25);
    assert_false(wrapped);
    zone("intel-rapl:0:2", "dram\n", "671150\n", "262143328850\n"); /* 1 J later, begun again */
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 26);
    assert_true(wrapped);
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 26);
    assert_false(wrapped);
    energy_source_rapl.close(source);
}

static void rapl_of_two_packages(void **state)
{
    (void)state;
    zone("intel-rapl:0", "package-0\n", "10\n", "65532610987\n");
    zone("intel-rapl:1", "package-1\n", "20\n", "65532610987\n");
    struct energy_source *source = energy_source_rapl.open(tree.root, scope, reason);
    assert_non_null(source);
    assert_string_equal(scope, "package-0 + package-1");
    zone("intel-rapl:0", "package-0\n", "3000010\n", "65532610987\n");
    zone("intel-rapl:1", "package-1\n", "4000020\n", "65532610987\n");
    bool wrapped;
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 7);
    energy_source_rapl.close(source);
}

static void rapl_that_vanishes_says_so(void **state)
{
    (void)state;
    write_laptop();
    struct energy_source *source = energy_source_rapl.open(tree.root, scope, reason);
    assert_non_null(source);
    remove(tree_path(&tree, "sys/class/powercap/intel-rapl:0/energy_uj"));
    double value;
    bool wrapped;
    assert_false(energy_source_rapl.read(source, &value, &wrapped, reason));
    assert_says(reason, "intel-rapl:0/energy_uj");
    assert_says(reason, "No such file");
    zone("intel-rapl:0", "package-0\n", "rubbish\n", "262143328850\n");
    assert_false(energy_source_rapl.read(source, &value, &wrapped, reason));
    zone("intel-rapl:0", "package-0\n", "1001000000\n", "262143328850\n"); /* it is back */
    assert_near(read_ok(&energy_source_rapl, source, &wrapped), 1);
    energy_source_rapl.close(source);
}

static void rapl_for_root_only_says_what_to_do(void **state)
{
    (void)state;
    write_laptop();
    assert_int_equal(chmod(tree.root, 0755), 0);
    assert_int_equal(chmod(tree_path(&tree, "sys/class/powercap/intel-rapl:0/energy_uj"), 0400), 0);
    bool is_root = geteuid() == 0;
    if (is_root) {
        assert_int_equal(seteuid(65534), 0);
    } else {
        assert_int_equal(chmod(tree_path(&tree, "sys/class/powercap/intel-rapl:0/energy_uj"), 0),
                         0);
    }
    struct energy_source *source = energy_source_rapl.open(tree.root, scope, reason);
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
    }
    assert_null(source);
    assert_says(reason, "package-0");
    assert_says(reason, "root");
}

static void rapl_without_packages_has_a_reason(void **state)
{
    (void)state;
    assert_null(energy_source_rapl.open(tree.root, scope, reason));
    assert_says(reason, "no /sys/class/powercap");
    zone("intel-rapl:1", "psys\n", "1\n", "100\n");
    zone("dtpm:0", "package-0\n", "1\n", "100\n");
    assert_null(energy_source_rapl.open(tree.root, scope, reason));
    assert_says(reason, "no package zone");
    zone("intel-rapl:0", "package-0\n", "1\n", "0\n"); /* a range that cannot be */
    assert_null(energy_source_rapl.open(tree.root, scope, reason));
    assert_says(reason, "intel-rapl:0");
}

static void write_orin_nano(const char *volts, const char *amperes)
{
    tree_write(&tree, "sys/class/hwmon/hwmon0/name", "tegra_thermal\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/name", "ina3221\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/in2_label", "VDD_CPU_GPU_CV\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/in2_input", "4960\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/curr2_input", "160\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/in3_label", "VDD_SOC\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/in1_label", "VDD_IN\n");
    tree_write(&tree, "sys/class/hwmon/hwmon1/in1_input", volts);
    tree_write(&tree, "sys/class/hwmon/hwmon1/curr1_input", amperes);
}

static void ina3221_takes_the_rail_of_the_whole_board(void **state)
{
    (void)state;
    write_orin_nano("4968\n", "920\n");
    struct energy_source *source = energy_source_ina3221.open(tree.root, scope, reason);
    assert_non_null(source);
    assert_string_equal(scope, "VDD_IN");
    bool wrapped;
    assert_near(read_ok(&energy_source_ina3221, source, &wrapped), 4.968 * 0.920);
    write_orin_nano("4960\n", "2000\n");
    assert_near(read_ok(&energy_source_ina3221, source, &wrapped), 9.92);
    double value;
    write_orin_nano("4960\n", "-5\n");
    assert_false(energy_source_ina3221.read(source, &value, &wrapped, reason));
    remove(tree_path(&tree, "sys/class/hwmon/hwmon1/curr1_input"));
    assert_false(energy_source_ina3221.read(source, &value, &wrapped, reason));
    assert_says(reason, "curr1_input");
    energy_source_ina3221.close(source);
}

static void ina3221_without_a_total_gives_none(void **state)
{
    (void)state;
    assert_null(energy_source_ina3221.open(tree.root, scope, reason));
    assert_says(reason, "no INA3221");
    tree_write(&tree, "sys/class/hwmon/hwmon3/name", "ina3221\n");
    tree_write(&tree, "sys/class/hwmon/hwmon3/in1_label", "VDD_GPU_SOC\n");
    tree_write(&tree, "sys/class/hwmon/hwmon3/in2_label", "VDD_CPU_CV\n");
    assert_null(energy_source_ina3221.open(tree.root, scope, reason));
    assert_says(reason, "VDD_GPU_SOC, VDD_CPU_CV");
}

static void battery_file(const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "sys/class/power_supply/BAT0/%s", file);
    tree_write(&tree, path, text);
}

static void battery_counts_only_while_it_discharges(void **state)
{
    (void)state;
    tree_write(&tree, "sys/class/power_supply/AC/type", "Mains\n");
    tree_write(&tree, "sys/class/power_supply/hid-mouse/type", "Battery\n");
    tree_write(&tree, "sys/class/power_supply/hid-mouse/scope", "Device\n");
    tree_write(&tree, "sys/class/power_supply/hid-mouse/status", "Discharging\n");
    assert_null(energy_source_battery.open(tree.root, scope, reason));
    assert_says(reason, "no battery");
    battery_file("type", "Battery\n");
    battery_file("status", "Charging\n");
    battery_file("power_now", "12340000\n");
    assert_null(energy_source_battery.open(tree.root, scope, reason));
    assert_says(reason, "\"Charging\", expected \"Discharging\"");
    battery_file("status", "Discharging\n");
    struct energy_source *source = energy_source_battery.open(tree.root, scope, reason);
    assert_non_null(source);
    assert_string_equal(scope, "BAT0");
    bool wrapped;
    assert_near(read_ok(&energy_source_battery, source, &wrapped), 12.34);
    battery_file("status", "Full\n");
    double value;
    assert_false(energy_source_battery.read(source, &value, &wrapped, reason));
    assert_says(reason, "\"Full\"");
    energy_source_battery.close(source);
}

static void battery_by_current_and_voltage(void **state)
{
    (void)state;
    battery_file("type", "Battery\n");
    battery_file("status", "Discharging\n");
    assert_null(energy_source_battery.open(tree.root, scope, reason));
    assert_says(reason, "neither power_now");
    battery_file("current_now", "-1500000\n"); /* some drivers give a minus */
    battery_file("voltage_now", "11400000\n");
    struct energy_source *source = energy_source_battery.open(tree.root, scope, reason);
    assert_non_null(source);
    bool wrapped;
    assert_near(read_ok(&energy_source_battery, source, &wrapped), 1.5 * 11.4);
    energy_source_battery.close(source);
}

static void write_tegrastats(const char *script)
{
    tree_write(&tree, "usr/bin/tegrastats", script);
    assert_int_equal(chmod(tree_path(&tree, "usr/bin/tegrastats"), 0755), 0);
}

static void tegrastats_lines_are_read_until_it_ends(void **state)
{
    (void)state;
    assert_null(energy_source_tegrastats.open(tree.root, scope, reason));
    assert_says(reason, "not a Jetson");
    write_tegrastats("#!/bin/sh\n[ \"$1 $2\" = '--interval 100' ] || exit 1\necho 'warning: x'\n"
                     "for w in 1000 2000 3500; do\n"
                     "echo \"RAM 1/2MB CPU [1%@7] cpu@40C VDD_IN ${w}mW/1mW VDD_SOC 1mW/1mW\"\n"
                     "done\n");
    struct energy_source *source = energy_source_tegrastats.open(tree.root, scope, reason);
    assert_non_null(source);
    assert_string_equal(scope, "VDD_IN");
    bool wrapped;
    assert_near(read_ok(&energy_source_tegrastats, source, &wrapped), 2);
    assert_near(read_ok(&energy_source_tegrastats, source, &wrapped), 3.5);
    double value;
    assert_false(energy_source_tegrastats.read(source, &value, &wrapped, reason));
    assert_says(reason, "ended");
    energy_source_tegrastats.close(source);
}

static void tegrastats_that_gives_nothing_useful_is_none(void **state)
{
    (void)state;
    write_tegrastats("#!/bin/sh\nexit 1\n");
    assert_null(energy_source_tegrastats.open(tree.root, scope, reason));
    assert_says(reason, "ended");
    write_tegrastats("#!/bin/sh\necho 'RAM 1/2MB VDD_CPU_CV 5mW/5mW'\nexec sleep 100\n");
    assert_null(energy_source_tegrastats.open(tree.root, scope, reason));
    assert_says(reason, "VDD_IN");
    write_tegrastats("not a program\n");
    assert_null(energy_source_tegrastats.open(tree.root, scope, reason));
}

/* ---- a driver library of our own: two GPUs ---- */

static unsigned long long gpu_mj[2];
static int gpu_result, n_inits;

static int fake_init(void)
{
    n_inits++;
    return 0;
}
static int fake_shutdown(void)
{
    n_inits--;
    return 0;
}
static int fake_count(unsigned *count)
{
    *count = 2;
    return 0;
}
static int fake_device(unsigned index, struct nvml_device **device)
{
    *device = (struct nvml_device *)(void *)&gpu_mj[index];
    return 0;
}
static int fake_energy(struct nvml_device *device, unsigned long long *millijoules)
{
    *millijoules = *(unsigned long long *)(void *)device;
    return gpu_result;
}
static const char *fake_text(int result)
{
    return result == 3 ? "Not Supported" : "GPU is lost";
}
static const struct nvml_api fake_api = {fake_init,   fake_shutdown, fake_count,
                                         fake_device, fake_energy,   fake_text};

static void nvml_sums_the_counters_of_all_gpus(void **state)
{
    (void)state;
    gpu_mj[0] = 5000;
    gpu_mj[1] = 7000;
    gpu_result = 0;
    struct energy_source *source = nvml_open(&fake_api, scope, reason);
    assert_non_null(source);
    assert_says(scope, "2 GPUs");
    bool wrapped;
    assert_near(read_ok(&energy_source_nvml, source, &wrapped), 0);
    gpu_mj[0] += 1500;
    gpu_mj[1] += 500;
    assert_near(read_ok(&energy_source_nvml, source, &wrapped), 2);
    double value;
    gpu_result = 15;
    assert_false(energy_source_nvml.read(source, &value, &wrapped, reason));
    assert_says(reason, "GPU is lost");
    gpu_result = 0;
    gpu_mj[0] = 0; /* the driver was loaded anew */
    assert_false(energy_source_nvml.read(source, &value, &wrapped, reason));
    assert_says(reason, "fell");
    energy_source_nvml.close(source);
    assert_int_equal(n_inits, 0);
    gpu_result = 3;
    assert_null(nvml_open(&fake_api, scope, reason));
    assert_says(reason, "Not Supported");
    assert_int_equal(n_inits, 0);
}

/* ---- choosing ---- */

static void the_first_source_that_is_there_is_taken(void **state)
{
    (void)state;
    struct mscope_error err;
    struct energy_sampler *sampler;
    write_orin_nano("5000\n", "1000\n");
    assert_ok(energy_open(&sampler, tree.root, NULL, &err), &err);
    assert_string_equal(energy_source(sampler), "ina3221");
    assert_string_equal(energy_scope(sampler), "VDD_IN");
    assert_string_equal(energy_reason(sampler), "");
    energy_close(&sampler);
    assert_null(sampler);
    write_laptop();
    assert_ok(energy_open(&sampler, tree.root, "auto", &err), &err);
    assert_string_equal(energy_source(sampler), "rapl");
    energy_close(&sampler);
    assert_ok(energy_open(&sampler, tree.root, "ina3221", &err), &err);
    assert_string_equal(energy_source(sampler), "ina3221");
    energy_close(&sampler);
}

static void a_machine_without_source_tells_all_reasons(void **state)
{
    (void)state;
    struct mscope_error err;
    struct energy_sampler *sampler;
    assert_ok(energy_open(&sampler, tree.root, NULL, &err), &err);
    assert_null(energy_source(sampler));
    assert_says(energy_reason(sampler), "powercap");
    assert_says(energy_reason(sampler), "INA3221");
    assert_says(energy_reason(sampler), "tegrastats");
    assert_says(energy_reason(sampler), "battery");
    assert_ok(energy_start(sampler, &err), &err); /* does nothing */
    energy_stop(sampler);
    struct energy_slice slice;
    energy_slice(&slice, sampler, 1, 1000000000);
    assert_true(isnan(slice.joules) && isnan(slice.w_mean) && slice.n_samples == 0);
    energy_close(&sampler);
    energy_close(&sampler);
    assert_ok(energy_open(&sampler, tree.root, "none", &err), &err);
    assert_null(energy_source(sampler));
    assert_string_equal(energy_reason(sampler), "not wanted");
    energy_close(&sampler);
    assert_int_equal(energy_open(&sampler, tree.root, "sun", &err), MSCOPE_ERR_ARGUMENT);
    assert_null(sampler);
    assert_says(err.detail, "'sun'");
}

/* ---- the thread ---- */

enum { N_GOOD = 40 };
static int n_reads;
static uint64_t read_ns[N_GOOD + 1];
static sem_t failed_thrice;

/* Reading k gives k joules; after N_GOOD of them the sensor is gone. */
static struct energy_source *fake_open(const char *root, char *the_scope, char *the_reason)
{
    (void)root;
    (void)the_reason;
    snprintf(the_scope, ENERGY_TEXT_BYTES, "a test");
    n_reads = 0;
    return (struct energy_source *)(void *)&n_reads;
}

static bool fake_read(struct energy_source *source, double *value, bool *wrapped, char *the_reason)
{
    (void)source;
    n_reads++;
    if (n_reads > N_GOOD) {
        snprintf(the_reason, ENERGY_TEXT_BYTES, "unplugged");
        if (n_reads == N_GOOD + 3) {
            sem_post(&failed_thrice);
        }
        return false;
    }
    *wrapped = n_reads == 1 || n_reads == 20; /* the first one is before the samples */
    read_ns[n_reads] = clock_now_ns();
    *value = n_reads;
    return true;
}

static void fake_close(struct energy_source *source)
{
    (void)source;
}

static const struct energy_source_class fake_class = {
    .name = "fake",
    .is_counter = true,
    .waits = true,
    .rate_hz = 0.1, /* so that no pause of this computer is a hole */
    .open = fake_open,
    .read = fake_read,
    .close = fake_close,
};

static void a_sensor_that_vanishes_while_sampling_keeps_what_it_gave(void **state)
{
    (void)state;
    struct mscope_error err;
    struct energy_sampler *sampler;
    const struct energy_source_class *const classes[] = {&fake_class};
    assert_int_equal(sem_init(&failed_thrice, 0, 0), 0);
    assert_ok(energy_open_class(&sampler, "", classes, 1, &err), &err);
    assert_near(energy_rate_hz(sampler), 0.1);
    assert_ok(energy_start(sampler, &err), &err);
    sem_wait(&failed_thrice);
    energy_stop(sampler);
    assert_says(energy_reason(sampler), "unplugged");
    struct energy_slice slice;
    energy_slice(&slice, sampler, read_ns[2], read_ns[N_GOOD]);
    assert_true(slice.joules >= N_GOOD - 3 && slice.joules <= N_GOOD - 1);
    assert_int_equal(slice.flags & ~(unsigned)ENERGY_HIGH_CV, ENERGY_COUNTER_WRAPPED);
    assert_in_range(slice.n_samples, N_GOOD - 3, N_GOOD - 1);
    energy_slice(&slice, sampler, read_ns[2], clock_now_ns());
    assert_true(isnan(slice.joules));
    assert_true((slice.flags & ENERGY_VANISHED) != 0);
    energy_close(&sampler);
    sem_destroy(&failed_thrice);
}

static void stopping_right_after_starting_gives_no_number(void **state)
{
    (void)state;
    write_laptop();
    struct mscope_error err;
    struct energy_sampler *sampler;
    assert_ok(energy_open(&sampler, tree.root, "rapl", &err), &err);
    for (int i = 0; i < 3; i++) {
        uint64_t start_ns = clock_now_ns();
        assert_ok(energy_start(sampler, &err), &err);
        energy_stop(sampler);
        struct energy_slice slice;
        energy_slice(&slice, sampler, start_ns, start_ns + 1);
        assert_true(isnan(slice.joules));
        assert_true((slice.flags & ENERGY_FEW_SAMPLES) != 0);
    }
    assert_ok(energy_start(sampler, &err), &err);
    energy_close(&sampler); /* stops by itself */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rapl_sums_packages_and_memory_and_mends_wraps),
        TEST(rapl_of_two_packages),
        TEST(rapl_that_vanishes_says_so),
        TEST(rapl_for_root_only_says_what_to_do),
        TEST(rapl_without_packages_has_a_reason),
        TEST(ina3221_takes_the_rail_of_the_whole_board),
        TEST(ina3221_without_a_total_gives_none),
        TEST(battery_counts_only_while_it_discharges),
        TEST(battery_by_current_and_voltage),
        TEST(tegrastats_lines_are_read_until_it_ends),
        TEST(tegrastats_that_gives_nothing_useful_is_none),
        TEST(nvml_sums_the_counters_of_all_gpus),
        TEST(the_first_source_that_is_there_is_taken),
        TEST(a_machine_without_source_tells_all_reasons),
        TEST(a_sensor_that_vanishes_while_sampling_keeps_what_it_gave),
        TEST(stopping_right_after_starting_gives_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
