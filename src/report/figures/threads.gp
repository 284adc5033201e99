# SPDX-License-Identifier: MIT
# Rates of decode and prefill over the number of threads.
# threads.csv: index, model, threads, decode tok/s, half width, prefill tok/s, half width, synthetic
name = 'threads'; width = 500; origin = 8
load 'common.gp'
fewest = 1e9; most = 0; top_1 = 0; top_2 = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), fewest = smaller(fewest, $3), most = larger(most, $3), \
                                top_1 = larger(top_1, field(4) + extra(5)), top_2 = larger(top_2, field(6) + extra(7))) nooutput
rows = key_rows(n_names)
legend = 40 + 22 * key_rows(n_names)
height = 440 + legend
set yrange [0:*]
set xrange [fewest - 0.3 * (most - fewest) / (most > 4 ? 6 : 2):most + 0.3 * (most - fewest) / (most > 4 ? 6 : 2)]
set xtics most - fewest > 12 ? 4 : most - fewest > 6 ? 2 : 1
set lmargin 8
set rmargin 2
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    set multiplot
    share = legend / (1.0 * height)
    do for [panel=1:2] {
        set origin 0, panel == 1 ? share + (1 - share) / 2 : 0
        set size 1, (1 - share) / 2 + (panel == 1 ? 0 : share)
        set ytics tic(panel == 1 ? top_1 : top_2, 5)
        set title panel == 1 ? titled('decode, tokens per second') : 'prefill, tokens per second' offset 0,-0.5 tc rgb ink
        if (panel == 1) { unset key; unset xlabel; set bmargin 2 } else {
            set key at screen 0.55, screen 0.02 center bottom vertical Left reverse samplen 2 maxrows rows maxcols (rows == n_names ? 1 : 2) textcolor rgb ink
            set bmargin 3.4 + 1.2 * rows
            set xlabel 'threads' tc rgb ink
        }
        plot for [i=1:n_names] name.'.csv' skip 1 \
                 using ($1 == i ? $3 : NaN):(field(2 + 2 * panel)):(extra(3 + 2 * panel)) \
                 with yerrorlines lw 2 pt mark(i) ps 0.9 lc rgb color(i) title label(i)
    }
    unset multiplot
    unset output
}
