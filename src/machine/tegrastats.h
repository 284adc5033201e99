/* SPDX-License-Identifier: MIT */
/*
 * One line of NVIDIA's tegrastats as numbers. The format differs between releases: JetPack 4 writes
 * rails as "VDD_IN 3244/3199" in milliwatts, JetPack 5 as "VDD_IN 3244mW/3199mW", JetPack 6 puts
 * the date in front and writes sensors in small letters. Stateless, any thread.
 */
#ifndef MACHINE_TEGRASTATS_H
#define MACHINE_TEGRASTATS_H

#include <stdbool.h>
#include <stddef.h>

enum { TEGRASTATS_MAX_RAILS = 16, TEGRASTATS_NAME_BYTES = 32 };

struct tegrastats_rail {
    char name[TEGRASTATS_NAME_BYTES];
    double watts, watts_mean; /* at this moment; since tegrastats was started */
};

struct tegrastats { /* NaN where the line does not say */
    double ram_used_bytes, ram_total_bytes, swap_used_bytes;
    double cpu_share, gpu_share; /* of the cores that are on; of the GPU */
    double temp_max_c;           /* hottest sensor that works */
    double board_watts;          /* VDD_IN, POM_5V_IN: what the whole module takes */
    char board_rail[TEGRASTATS_NAME_BYTES];
    struct tegrastats_rail rails[TEGRASTATS_MAX_RAILS];
    int n_rails;
};

/* False when this is no line of tegrastats: neither memory nor a rail in it. */
bool tegrastats_parse(struct tegrastats *out, const char *line, size_t n_bytes);

#endif
