# SPDX-License-Identifier: MIT
# Rates of decode and prefill as bars with 95 % intervals.
# throughput.csv: index, model, decode tok/s, half width, prefill tok/s, half width, synthetic
name = 'throughput'; width = 500; origin = 7
load 'common.gp'
most_3 = 0; most_5 = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), most_3 = larger(most_3, field(3) + extra(4)), \
                                most_5 = larger(most_5, field(5) + extra(6))) nooutput
height = 124 + 2 * bar_height(n_names) * n_names
set yrange [n_names + 0.6:0.4]
set ytics scale 0 ('' 1)
do for [i=1:n_names] { set ytics add (stacked(i) i) }
set style fill solid 0.85 noborder
unset key
set grid noytics
set lmargin margin(n_names)
set rmargin 2
panel(c, top) = sprintf("set title '%s' offset 0,-0.5; set xrange [0:%g]; set xtics %g", c == 3 ? titled('decode, tokens per second') : 'prefill, tokens per second', top > 0 ? 1.4 * top : 1, tic(1.4 * top, 4))
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    set multiplot layout 2,1
    do for [c in '3 5'] {
        eval panel(int(c), c eq '3' ? most_3 : most_5)
        plot for [i=1:n_names] name.'.csv' skip 1 using (0):($1 == i ? $1 : NaN):(0):(field(int(c))):($1 - 0.3):($1 + 0.3) \
                 with boxxyerror lc rgb color(i), \
             name.'.csv' skip 1 using (field(int(c))):1:(extra(int(c) + 1)) with xerrorbars pt -1 lw 1.5 lc rgb ink, \
             name.'.csv' skip 1 using (field(int(c)) + extra(int(c) + 1)):1:(number(field(int(c))).interval(int(c) + 1)) \
                 with labels left offset 0.7,0 tc rgb ink
    }
    unset multiplot
    unset output
}
