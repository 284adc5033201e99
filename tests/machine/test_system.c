/* SPDX-License-Identifier: MIT */
/* Temperature, memory by kind and swap on recorded trees; on this machine only what must hold. */
#include "machine/system.h"

#include "machine/energy_source.h"
#include "tree.h"

#include <math.h>

static struct tree tree;

static int setup(void **state)
{
    (void)state;
    tree_make(&tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void the_hottest_zone_of_the_processor_counts(void **state)
{
    (void)state;
    char sensor[SYSTEM_SENSOR_BYTES];
    assert_true(isnan(system_read_temp_c(sensor, tree.root)));
    assert_string_equal(sensor, "");
    tree_write(&tree, "sys/class/thermal/cooling_device0/type", "cpu\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone0/type", "acpitz\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone0/temp", "99000\n");
    assert_true(isnan(system_read_temp_c(sensor, tree.root)));
    tree_write(&tree, "sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone1/temp", "61500\n");
    assert_true(fabs(system_read_temp_c(sensor, tree.root) - 61.5) < 1e-9);
    assert_string_equal(sensor, "x86_pkg_temp");
}

static void a_jetson_has_many_zones_some_of_them_off(void **state)
{
    (void)state;
    char sensor[SYSTEM_SENSOR_BYTES];
    tree_write(&tree, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone0/temp", "48312\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone1/type", "soc0-thermal\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone1/temp", "-256000\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone9/type", "tj-thermal\n");
    tree_write(&tree, "sys/class/thermal/thermal_zone9/temp", "49000\n");
    assert_true(fabs(system_read_temp_c(sensor, tree.root) - 49) < 1e-9);
    assert_string_equal(sensor, "tj-thermal");
}

static void without_zones_the_chips_of_hwmon_are_asked(void **state)
{
    (void)state;
    char sensor[SYSTEM_SENSOR_BYTES];
    tree_write(&tree, "sys/class/hwmon/hwmon0/name", "nvme\n");
    tree_write(&tree, "sys/class/hwmon/hwmon0/temp1_input", "80000\n");
    tree_write(&tree, "sys/class/hwmon/hwmon2/name", "k10temp\n");
    tree_write(&tree, "sys/class/hwmon/hwmon2/temp1_input", "55125\n");
    tree_write(&tree, "sys/class/hwmon/hwmon2/temp3_input", "57250\n");
    assert_true(fabs(system_read_temp_c(sensor, tree.root) - 57.25) < 1e-9);
    assert_string_equal(sensor, "k10temp");
}

static void memory_of_a_recorded_process(void **state)
{
    (void)state;
    struct mscope_error err;
    struct system_memory memory;
    assert_int_equal(system_read_memory(&memory, tree.root, 42, &err), MSCOPE_ERR_IO);
    assert_non_null(strstr(err.object, "42"));
    tree_write(&tree, "proc/42/status",
               "Name:\tmoescope\nVmHWM:\t  5000 kB\nVmRSS:\t  4000 kB\nRssAnon:\t 1000 kB\n"
               "RssFile:\t 2990 kB\nRssShmem:\t   10 kB\nVmSwap:\t    7 kB\n");
    assert_ok(system_read_memory(&memory, tree.root, 42, &err), &err);
    assert_int_equal(memory.peak_rss, 5000 * 1024);
    assert_int_equal(memory.rss, 4000 * 1024);
    assert_int_equal(memory.anonymous, 1000 * 1024);
    assert_int_equal(memory.file, 3000 * 1024);
    assert_int_equal(memory.swapped, 7 * 1024);
    assert_int_equal(memory.pss, -1);
    assert_int_equal(memory.major_faults, -1);
    tree_write(&tree, "proc/42/smaps_rollup",
               "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:   4000 kB\nPss:   3500 kB\n"
               "Pss_Anon:  1000 kB\n");
    tree_write(&tree, "proc/42/stat",
               "42 (a) b (c) S 1 42 42 34816 99 4194304 1234 55 6 77 100 20 0 0 20 0 3 0 5 6 7\n");
    assert_ok(system_read_memory(&memory, tree.root, 42, &err), &err);
    assert_int_equal(memory.pss, 3500 * 1024);
    assert_int_equal(memory.minor_faults, 1234);
    assert_int_equal(memory.major_faults, 6);
}

static void memory_of_this_process(void **state)
{
    (void)state;
#if defined(__linux__)
    struct mscope_error err;
    struct system_memory memory;
    assert_ok(system_read_memory(&memory, "", 0, &err), &err);
    assert_true(memory.rss > 0 && memory.peak_rss >= memory.rss);
    assert_true(memory.anonymous > 0 && memory.minor_faults > 0 && memory.major_faults >= 0);
#else
    skip();
#endif
}

static void swap_of_a_recorded_machine(void **state)
{
    (void)state;
    struct system_swap swap;
    system_read_swap(&swap, tree.root);
    assert_true(swap.in_bytes == -1 && swap.used_bytes == -1);
    tree_write(&tree, "proc/meminfo",
               "MemTotal: 100 kB\nSwapCached: 3 kB\nSwapTotal: 80 kB\nSwapFree: 50 kB\n");
    tree_write(&tree, "proc/vmstat", "pgpgin 1\npswpin 10\npswpout 20\n");
    system_read_swap(&swap, tree.root);
    int64_t page = sysconf(_SC_PAGESIZE);
    assert_int_equal(swap.used_bytes, 30 * 1024);
    assert_int_equal(swap.total_bytes, 80 * 1024);
    assert_int_equal(swap.in_bytes, 10 * page);
    assert_int_equal(swap.out_bytes, 20 * page);
}

enum { NAMES_BYTES = 128 };

static bool note_name(void *user, const char *path, const char *name)
{
    (void)path;
    char *names = user;
    size_t n = strlen(names);
    snprintf(names + n, NAMES_BYTES - n, "%s ", name);
    return true;
}

static void folders_are_listed_in_the_order_of_numbers(void **state)
{
    (void)state;
    tree_write(&tree, "list/zone10/x", "1");
    tree_write(&tree, "list/zone9/x", "1");
    tree_write(&tree, "list/zone1/x", "1");
    tree_write(&tree, "list/.hidden", "1");
    tree_write(&tree, "list/a", "1");
    char names[NAMES_BYTES] = "";
    assert_int_equal(sysfs_list(tree_path(&tree, "list"), note_name, names), 4);
    assert_string_equal(names, "a zone1 zone9 zone10 ");
    assert_int_equal(sysfs_list(tree_path(&tree, "none"), note_name, names), -1);
}

static void numbers_are_whole_lines(void **state)
{
    (void)state;
    double value;
    static const char *const good[] = {"12\n", "12", "12 \n", "12\nmore\n"};
    static const char *const bad[] = {"", "\n", "x\n", "12 mW\n", "nan\n", "inf\n", "12x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        tree_write(&tree, "number", good[i]);
        assert_true(sysfs_read_number(&value, tree_path(&tree, "number")) && value == 12);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tree_write(&tree, "number", bad[i]);
        assert_false(sysfs_read_number(&value, tree_path(&tree, "number")));
    }
    assert_false(sysfs_read_number(&value, tree.root)); /* a folder */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hottest_zone_of_the_processor_counts),
        TEST(a_jetson_has_many_zones_some_of_them_off),
        TEST(without_zones_the_chips_of_hwmon_are_asked),
        TEST(memory_of_a_recorded_process),
        TEST(memory_of_this_process),
        TEST(swap_of_a_recorded_machine),
        TEST(folders_are_listed_in_the_order_of_numbers),
        TEST(numbers_are_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
