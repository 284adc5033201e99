/* SPDX-License-Identifier: MIT */
/* Lines as the releases of JetPack write them, and lines that are none. */
#include "machine/tegrastats.h"

#include "unit.h"

#include <math.h>
#include <string.h>

static void parse(struct tegrastats *out, const char *line)
{
    size_t n = strlen(line);
    char *copy = malloc(n + 1); /* without terminator: what lies behind must not matter */
    assert_non_null(copy);
    memcpy(copy, line, n);
    copy[n] = '7';
    assert_true(tegrastats_parse(out, copy, n));
    free(copy);
}

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) < 1e-9 * (1 + fabs(expected)))) {
        fail_msg("%.12g, expected %.12g", actual, expected);
    }
}

static void jetpack_5_orin_nano(void **state)
{
    (void)state;
    struct tegrastats t;
    parse(&t, "RAM 2448/7620MB (lfb 4x2MB) SWAP 12/3810MB (cached 0MB) CPU "
              "[1%@729,3%@729,off,0%@729,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 42%@305 NVDEC off "
              "NVJPG off VIC off OFA off APE 200 CV0@-256C CPU@46.312C SOC2@45.1C SOC0@45.5C "
              "CV1@-256C GPU@44.6C tj@46.5C SOC1@44.6C CV2@-256C VDD_IN 4567mW/4480mW "
              "VDD_CPU_GPU_CV 812mW/805mW VDD_SOC 1342mW/1342mW\n");
    assert_near(t.ram_used_bytes, 2448.0 * 1024 * 1024);
    assert_near(t.ram_total_bytes, 7620.0 * 1024 * 1024);
    assert_near(t.swap_used_bytes, 12.0 * 1024 * 1024);
    assert_near(t.cpu_share, (0.01 + 0.03 + 0) / 3);
    assert_near(t.gpu_share, 0.42);
    assert_near(t.temp_max_c, 46.5);
    assert_near(t.board_watts, 4.567);
    assert_string_equal(t.board_rail, "VDD_IN");
    assert_int_equal(t.n_rails, 3);
    assert_string_equal(t.rails[1].name, "VDD_CPU_GPU_CV");
    assert_near(t.rails[1].watts, 0.812);
    assert_near(t.rails[1].watts_mean, 0.805);
}

static void jetpack_6_has_a_date_and_small_letters(void **state)
{
    (void)state;
    struct tegrastats t;
    parse(&t, "11-20-2024 15:02:01 RAM 3121/7607MB (lfb 6x4MB) SWAP 0/3803MB (cached 0MB) CPU "
              "[100%@1510,99%@1510,98%@1510,97%@1510,2%@729,1%@729] EMC_FREQ 1%@2133 GR3D_FREQ "
              "0%@[611] NVDEC off NVJPG off VIC off OFA off APE 200 cpu@61.4C soc2@58.9C soc0@59C "
              "gpu@58.718C tj@61.4C soc1@59.437C VDD_IN 10236mW/9870mW VDD_CPU_GPU_CV "
              "5120mW/4800mW VDD_SOC 2010mW/2001mW");
    assert_near(t.ram_used_bytes, 3121.0 * 1024 * 1024);
    assert_near(t.cpu_share, (1 + 0.99 + 0.98 + 0.97 + 0.02 + 0.01) / 6);
    assert_near(t.gpu_share, 0);
    assert_near(t.temp_max_c, 61.4);
    assert_near(t.board_watts, 10.236);
}

static void jetpack_4_has_no_units(void **state)
{
    (void)state;
    struct tegrastats t;
    parse(&t, "RAM 1903/3964MB (lfb 2x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) CPU "
              "[14%@102,8%@102,off,off] EMC_FREQ 4%@204 GR3D_FREQ 0%@76 APE 25 PLL@27.5C CPU@30C "
              "PMIC@100C GPU@29C AO@36.5C thermal@29.5C POM_5V_IN 1540/1540 POM_5V_GPU 0/0 "
              "POM_5V_CPU 163/163");
    assert_near(t.board_watts, 1.54);
    assert_string_equal(t.board_rail, "POM_5V_IN");
    assert_int_equal(t.n_rails, 3);
    assert_near(t.temp_max_c, 100);
}

static void a_board_without_a_total_has_none(void **state)
{
    (void)state;
    struct tegrastats t;
    parse(&t, "RAM 5000/30536MB (lfb 1x4MB) CPU [0%@2201] GPU@40C VDD_GPU_SOC 3200mW/3200mW "
              "VDD_CPU_CV 800mW/800mW VIN_SYS_5V0 4500mW/4500mW");
    assert_int_equal(t.n_rails, 3);
    assert_true(isnan(t.board_watts));
    assert_string_equal(t.board_rail, "");
}

static void broken_words_are_passed_over(void **state)
{
    (void)state;
    struct tegrastats t;
    parse(&t, "RAM 12/34MB SWAP x/yMB CPU [] GR3D_FREQ 900% tj@C cpu@1e3C a@b VDD_IN 45mW/ VDD_SOC "
              "-3mW/4mW VDD_X 9999999999999999999999mW/1mW VDD_IN");
    assert_true(isnan(t.swap_used_bytes) && isnan(t.cpu_share) && isnan(t.gpu_share));
    assert_true(isnan(t.temp_max_c) && isnan(t.board_watts));
    assert_int_equal(t.n_rails, 0);
}

static void other_text_is_no_line(void **state)
{
    (void)state;
    struct tegrastats t;
    static const char *const lines[] = {
        "",     "\n",      "Killed", "RAM", "RAM 2448/", "VDD_IN", "tegrastats: command not found",
        "[[[[", "@@@ @ C@"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_false(tegrastats_parse(&t, lines[i], strlen(lines[i])));
    }
}

static void more_rails_than_room_are_left_out(void **state)
{
    (void)state;
    char line[4096] = "";
    for (int i = 0; i < 40; i++) {
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "VDD_R%d %dmW/1mW ", i, i);
    }
    struct tegrastats t;
    parse(&t, line);
    assert_int_equal(t.n_rails, TEGRASTATS_MAX_RAILS);
    assert_string_equal(t.rails[15].name, "VDD_R15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jetpack_5_orin_nano),
        cmocka_unit_test(jetpack_6_has_a_date_and_small_letters),
        cmocka_unit_test(jetpack_4_has_no_units),
        cmocka_unit_test(a_board_without_a_total_has_none),
        cmocka_unit_test(broken_words_are_passed_over),
        cmocka_unit_test(other_text_is_no_line),
        cmocka_unit_test(more_rails_than_room_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
