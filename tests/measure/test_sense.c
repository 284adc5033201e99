/* SPDX-License-Identifier: MIT */
/* Heat during a run, energy without phases, and the hash of a model in parts. */
#include "measure/rows.h"

#include "measure/hash.h"
#include "measure/sense.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

static char folder[512];

/* A folder below ours, and a file in it. */
static void put(const char *path, const char *name, const char *text)
{
    char full[800];
    snprintf(full, sizeof full, "%.500s/%.200s", folder, path);
    for (char *at = full + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = '\0';
        mkdir(full, 0755);
    }
    mkdir(full, 0755);
    rows_write(full, name, text);
}

/* Warm only between start and stop: the sensor becomes a pipe, so that we know when it was read. */
static void the_peak_is_found_during_the_run(void **state)
{
    (void)state;
    const char *zone = "sys/class/thermal/thermal_zone0";
    char temp[800], cool[800], pipe_path[800];
    put(zone, "type", "x86_pkg_temp\n");
    put(zone, "temp", "41000\n");
    put(zone, "cool", "42000\n");
    snprintf(temp, sizeof temp, "%.500s/%s/temp", folder, zone);
    snprintf(cool, sizeof cool, "%.500s/%s/cool", folder, zone);
    snprintf(pipe_path, sizeof pipe_path, "%.500s/%s/pipe", folder, zone);
    assert_int_equal(mkfifo(pipe_path, 0644), 0);
    const struct config_device device = {.energy = CONFIG_ENERGY_NONE};
    struct sense *sense = NULL;
    struct mscope_error err;
    struct record row;
    record_init(&row);
    assert_ok(sense_open(&sense, &device, folder, &err), &err);
    sense_before(sense, &row);
    sense_start(sense);
    assert_int_equal(rename(pipe_path, temp), 0);
    int fd = open(temp, O_WRONLY); /* returns when the sensor is being read */
    assert_true(fd >= 0);
    assert_int_equal(rename(cool, temp), 0);
    assert_int_equal(write(fd, "77000\n", 6), 6);
    close(fd);
    sense_stop(sense);
    const struct driver_marks marks = {0};
    assert_ok(sense_report(sense, &marks, &row, &err), &err);
    assert_near(row.temp_start_c, 41, 1e-9);
    assert_near(row.temp_peak_c, 77, 1e-9);
    sense_close(&sense);
    record_free(&row);
}

static void an_engine_without_phases_has_a_reason(void **state)
{
    (void)state;
    const char *battery = "sys/class/power_supply/BAT0";
    put(battery, "type", "Battery\n");
    put(battery, "status", "Discharging\n");
    put(battery, "power_now", "9000000\n");
    const struct config_device device = {.energy = CONFIG_ENERGY_BATTERY};
    struct sense *sense = NULL;
    struct mscope_error err;
    struct record row;
    record_init(&row);
    row.n_gen = 8;
    assert_ok(sense_open(&sense, &device, folder, &err), &err);
    sense_start(sense);
    sense_stop(sense);
    const struct driver_marks marks = {0};
    assert_ok(sense_report(sense, &marks, &row, &err), &err);
    assert_string_equal(row.energy_source, "battery");
    assert_true(isnan(row.decode_j));
    assert_non_null(strstr(row.energy_reason, "does not tell when its phases"));
    sense_close(&sense);
    record_free(&row);
}

static void a_split_model_is_hashed_whole(void **state)
{
    (void)state;
    put("parts", "m-00001-of-00002.gguf", "abc");
    put("parts", "m-00002-of-00002.gguf", "de");
    put("parts", "lone-00001-of-00002.gguf", "abc");
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char path[700], one[HASH_TEXT_BYTES], two[HASH_TEXT_BYTES], joined[2 * HASH_TEXT_BYTES],
        expected[HASH_TEXT_BYTES];
    struct mscope_error err;
    uint64_t n_bytes = 0;
    snprintf(path, sizeof path, "%.500s/parts/lone-00001-of-00002.gguf", folder);
    assert_ok(hash_model_cached(one, &n_bytes, path, &err), &err);
    assert_string_equal(one, abc);
    assert_int_equal(n_bytes, 3);
    snprintf(path, sizeof path, "%.500s/parts/m-00002-of-00002.gguf", folder);
    assert_ok(hash_file(two, path, &err), &err);
    snprintf(joined, sizeof joined, "%s%s", abc, two);
    assert_ok(hash_bytes(expected, joined, strlen(joined), &err), &err);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        assert_ok(hash_model_cached(one, &n_bytes, path, &err), &err);
        assert_string_equal(one, expected);
        assert_int_equal(n_bytes, 5);
    }
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", rows_folder());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peak_is_found_during_the_run),
        cmocka_unit_test(an_engine_without_phases_has_a_reason),
        cmocka_unit_test(a_split_model_is_hashed_whole),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rows_remove(folder);
    return failed;
}
