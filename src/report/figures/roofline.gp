# SPDX-License-Identifier: MIT
# Decode and prefill of each model under the roofs measured on this machine.
# roofline.csv: index, model, side (1 decode, 2 prefill), operations per byte, 1e9 operations per second,
#               roofs: 1e9 bytes read per second, fp32 and int8 1e9 operations per second, synthetic
name = 'roofline'; width = 500; origin = 9
load 'common.gp'
read_roof = 0; fp32_roof = 0; int8_roof = 0; least = 1e9; left = 1.0; right = 1.0
stats name.'.csv' skip 1 using (note($1, strcol(2)), read_roof = larger(read_roof, extra(6)), \
                                fp32_roof = larger(fp32_roof, extra(7)), int8_roof = larger(int8_roof, extra(8)), \
                                left = smaller(left, field(4)), right = larger(right, field(4)), \
                                least = smaller(least, field(5))) nooutput
height = 390 + 22 * key_rows(n_names)
top = larger(int8_roof, fp32_roof)
edge = top > 0 && read_roof > 0 ? top / read_roof : 100.0
set logscale xy
set grid xtics ytics mxtics mytics
set xlabel 'operations per byte read'
set ylabel 'billion operations per second'
set format '%g'
rows = key_rows(n_names)
set bmargin 3.4 + 1.2 * rows
set key at screen 0.55, screen 0.02 center bottom vertical Left reverse samplen 1 maxrows rows maxcols (rows == n_names ? 1 : 2)
right = larger(12 * edge, 2.5 * right)
set xrange [left / 2.0:right]
set yrange [least / 4.0:3 * (top > 0 ? top : 1000)]
set label 1 'dots: decode, triangles: prefill' at graph 0.98, 0.07 right tc rgb ink
if (read_roof > 0) { set label 2 sprintf('read %.3g GB/s', read_roof) at graph 0.02, 0.95 left tc rgb ink }
if (int8_roof > 0) { set label 3 sprintf('int8 %.3g', int8_roof) at 0.92 * right, int8_roof right offset 0,0.6 tc rgb ink }
if (fp32_roof > 0) { set label 4 sprintf('fp32 %.3g', fp32_roof) at 0.92 * right, fp32_roof right offset 0,-0.7 tc rgb ink }
# Models meet under the roof: smaller marks on larger ones.
size(i) = larger(0.9, 1.9 - 0.3 * (i - 1))
set samples 500
slope(x) = read_roof > 0 ? read_roof * x : NaN
do for [format in 'svg png pdf'] {
    eval start(format)
    set output name.'.'.format
    plot (top <= 0 || slope(x) <= top ? slope(x) : NaN) with lines lw 2 lc rgb ink notitle, \
         (top > 0 && x >= edge ? top : NaN) with lines lw 2 lc rgb ink notitle, \
         (fp32_roof > 0 && slope(x) >= fp32_roof ? fp32_roof : NaN) with lines lw 1.5 dt 2 lc rgb ink notitle, \
         for [i=1:n_names] name.'.csv' skip 1 using ($1 == i && $3 == 1 ? field(4) : NaN):(field(5)) \
             with points pt 7 ps size(i) lc rgb color(i) title label(i), \
         for [i=1:n_names] name.'.csv' skip 1 using ($1 == i && $3 == 2 ? field(4) : NaN):(field(5)) \
             with points pt 8 ps 1.2 * size(i) lw 2 lc rgb color(i) notitle
    unset output
}
