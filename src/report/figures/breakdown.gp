# SPDX-License-Identifier: MIT
# Where the time goes: milliseconds per token, stacked.
# breakdown.csv: index, model, side (1 decode, 2 prefill), then the parts in the order of `parts`, synthetic
name = 'breakdown'; width = 500; origin = 13
load 'common.gp'
n_parts = 9
parts = 'attention router dispatch experts "dense FFN" "output head" norms waiting rest'
part_color(i) = word('#2f7ed8 #c0392b #e0a21b #d9632b #2a9d6f #a45ec8 #1f9fb0 #7a7f87 #b9bec4', i)
upto(k) = sum [c=4:3 + k] extra(c)
most_1 = 0; most_2 = 0
stats name.'.csv' skip 1 using (note($1, strcol(2)), $3 == 1 ? (most_1 = larger(most_1, upto(n_parts))) : \
                                (most_2 = larger(most_2, upto(n_parts)))) nooutput
legend = 78
height = 130 + legend + 2 * bar_height(n_names) * n_names
set yrange [n_names + 0.6:0.4]
set ytics scale 0 ('' 1)
do for [i=1:n_names] { set ytics add (stacked(i) i) }
set style fill solid 0.9 noborder
set grid noytics
set lmargin margin(n_names)
set rmargin 2
unset key
do for [k=1:n_parts] {
    x = 0.06 + 0.32 * ((k - 1) % 3)
    y = (legend - 14 - 24.0 * ((k - 1) / 3)) / height
    set object k rectangle from screen x, screen y - 6.0 / height to screen x + 0.03, screen y + 6.0 / height \
        fillcolor rgb part_color(k) fillstyle solid 0.9 noborder
    set label k word(parts, k) at screen x + 0.04, screen y left textcolor rgb ink
}
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    set multiplot
    share = legend / (1.0 * height)
    do for [side=1:2] {
        set origin 0, share + (side == 1 ? (1 - share) / 2 : 0)
        set size 1, (1 - share) / 2
        set xrange [0:1.18 * larger(1e-9, side == 1 ? most_1 : most_2)]
        set xtics tic(1.18 * larger(1e-9, side == 1 ? most_1 : most_2), 5)
        set title side == 1 ? titled('decode, ms per token') : 'prefill, ms per prompt token' offset 0,-0.5 tc rgb ink
        plot for [k=1:n_parts] name.'.csv' skip 1 \
                 using (upto(k - 1)):($3 == side ? $1 : NaN):(upto(k - 1)):(upto(k)):($1 - 0.3):($1 + 0.3) \
                 with boxxyerror lc rgb part_color(k), \
             name.'.csv' skip 1 using (upto(n_parts)):($3 == side ? $1 : NaN):(number(upto(n_parts))) \
                 with labels left offset 0.5,0 tc rgb ink
    }
    unset multiplot
    unset output
}
