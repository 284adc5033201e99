# SPDX-License-Identifier: MIT
# Rate of decoding over the length of the prompt.
# length.csv: index, model, prompt tokens, decode tok/s, half width of its interval, synthetic
name = 'length'; width = 500; origin = 7
load 'common.gp'
longest = 0; top = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), longest = larger(longest, field(3)), top = larger(top, field(4) + extra(5))) nooutput
height = 360 + 22 * key_rows(n_names)
set xlabel 'prompt tokens'
set ylabel 'decode, tokens per second'
set yrange [0:*]
set ytics tic(top, 6)
set xrange [0:*]
set xtics longest > 4000 ? 2000 : longest > 1800 ? 500 : longest > 1000 ? 400 : longest > 400 ? 200 : 50
rows = key_rows(n_names)
set bmargin 3.4 + 1.2 * rows
set key at screen 0.55, screen 0.02 center bottom vertical Left reverse samplen 2 maxrows rows maxcols (rows == n_names ? 1 : 2)
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    plot for [i=1:n_names] name.'.csv' skip 1 using ($1 == i ? field(3) : NaN):(field(4)):(extra(5)) \
             with yerrorlines lw 2 pt mark(i) ps 0.9 lc rgb color(i) title label(i)
    unset output
}
