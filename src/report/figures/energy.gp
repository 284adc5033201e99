# SPDX-License-Identifier: MIT
# Energy per generated token, gross (full) and above idle (pale).
# energy.csv: index, model, J per token, half width, J per token above idle, synthetic
name = 'energy'; width = 500; origin = 6
load 'common.gp'
most = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), most = larger(most, field(3) + extra(4))) nooutput
height = 110 + (14 + bar_height(n_names)) * n_names
set yrange [n_names + 0.6:0.4]
set ytics scale 0 ('' 1)
do for [i=1:n_names] { set ytics add (stacked(i) i) }
set xrange [0:most > 0 ? 1.4 * most : 1]
set xtics tic(1.4 * most, 5)
set xlabel 'J per generated token: gross (full), above idle (pale)'
set style fill solid 0.85 noborder
unset key
set grid noytics
set lmargin margin(n_names)
set rmargin 2
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    plot for [i=1:n_names] name.'.csv' skip 1 using (0):($1 == i ? $1 : NaN):(0):(field(3)):($1 - 0.3):($1 + 0.08) \
             with boxxyerror lc rgb color(i), \
         for [i=1:n_names] name.'.csv' skip 1 using (0):($1 == i ? $1 : NaN):(0):(extra(5)):($1 + 0.1):($1 + 0.34) \
             with boxxyerror fs solid 0.35 lc rgb color(i), \
         name.'.csv' skip 1 using (field(3)):($1 - 0.11):(extra(4)) with xerrorbars pt -1 lw 1.5 lc rgb ink, \
         name.'.csv' skip 1 using (field(3) + extra(4)):($1 - 0.11):(number(field(3)).interval(4)) with labels left offset 0.7,0 tc rgb ink
    unset output
}
