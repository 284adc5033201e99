# SPDX-License-Identifier: MIT
# Peak resident memory beside the size of the file.
# memory.csv: index, model, file GB, peak GB, synthetic
name = 'memory'; width = 500; origin = 5
load 'common.gp'
most = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), most = larger(larger(most, field(3)), field(4))) nooutput
height = 110 + (22 + bar_height(n_names)) * n_names
set yrange [n_names + 0.6:0.4]
set ytics scale 0 ('' 1)
do for [i=1:n_names] { set ytics add (stacked(i) i) }
set xrange [0:most > 0 ? 1.8 * most : 1]
set xtics tic(1.8 * most, 5)
set xlabel 'GB: file (pale), peak resident memory (full)'
set style fill solid 0.85 noborder
unset key
set grid noytics
set lmargin margin(n_names)
set rmargin 2
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    plot for [i=1:n_names] name.'.csv' skip 1 using (0):($1 == i ? $1 : NaN):(0):(field(3)):($1 - 0.36):($1 - 0.02) \
             with boxxyerror fs solid 0.35 lc rgb color(i), \
         for [i=1:n_names] name.'.csv' skip 1 using (0):($1 == i ? $1 : NaN):(0):(field(4)):($1 + 0.02):($1 + 0.36) \
             with boxxyerror lc rgb color(i), \
         name.'.csv' skip 1 using (field(3)):($1 - 0.19):(sprintf('%.2f', field(3))) with labels left offset 0.7,0 tc rgb ink, \
         name.'.csv' skip 1 using (field(4)):($1 + 0.19):(sprintf('%.2f, %.2f × file', field(4), field(4) / field(3))) \
             with labels left offset 0.7,0 tc rgb ink
    unset output
}
