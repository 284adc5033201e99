# SPDX-License-Identifier: MIT
# What all figures share. A figure sets `name`, `width` and `origin` (the column that says whether the model is a
# synthetic stand-in), reads its names and `height`, then draws once per format. Ink and rule are two greys that the
# page replaces by the reader's own.
set datafile separator comma
set encoding utf8
ink = '#1c1e21'
rule = '#d8dadd'
color(i) = word('#d9632b #2f7ed8 #2a9d6f #a45ec8 #b58a0e #1f9fb0 #c94f7c #7a7f87', (int(i) - 1) % 8 + 1)
mark(i) = int(word('7 5 9 13 11 15 4 6', (int(i) - 1) % 8 + 1))

set border 3 lc rgb ink
set tics nomirror textcolor rgb ink scale 0.6
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink
set key textcolor rgb ink
set grid lc rgb rule lw 0.8 dt 1, lc rgb rule lw 0.4 dt 1
set grid back
set errorbars lw 1.2

# Column 1 is an index, column 2 its name:  stats FILE skip 1 using (note($1, strcol(2)))
n_names = 0
names = ''
note(i, text) = (i > n_names ? (names = names . ' "' . text . '"', n_names = int(i)) : 0, i)
label(i) = word(names, int(i))
# In two lines where the engine or the host is part of the name; for the margin, how wide.
cut(l) = strstrt(l, ' on ') ? strstrt(l, ' on ') : strstrt(l, ' @')
stacked(i) = cut(label(i)) > 0 ? label(i)[1:cut(label(i)) - 1]."\n".label(i)[cut(label(i)) + 1:] : label(i)
part_width(l) = cut(l) > 0 ? larger(cut(l) - 1, strlen(l) - cut(l)) : strlen(l)
margin(n) = (widest = 10, sum [i=1:n] (widest = larger(widest, part_width(label(i))), 0), smaller(2 + 1.0 * widest, 30))
bar_height(n) = (lines = 1, sum [i=1:n] (lines = cut(label(i)) > 0 ? 2 : lines, 0), lines == 2 ? 48 : 30)
# NaN is a value that was not measured: no mark, no interval, nothing to stack.
field(c) = strcol(c) eq 'NaN' ? NaN : real(strcol(c))
extra(c) = strcol(c) eq 'NaN' ? 0 : real(strcol(c))
interval(c) = strcol(c) eq 'NaN' ? '' : ' ± '.(extra(c) >= 10 ? sprintf('%.0f', extra(c)) : sprintf('%.2g', extra(c)))
larger(a, b) = b > a ? b : a
smaller(a, b) = b < a ? b : a
number(x) = x >= 100 ? sprintf('%.0f', x) : sprintf('%.3g', x)

# A step that gives about `n` tics up to `top`.
tic(top, n) = top > 0 ? (step = 10 ** floor(log10(1.0 * top / n)), top / n / step > 5 ? 10 * step : \
                         top / n / step > 2 ? 5 * step : top / n / step > 1 ? 2 * step : step) : 1

# Rows of a legend: two columns, one where names are long.
longest_name(n) = (widest = 0, sum [i=1:n] (widest = larger(widest, strlen(label(i))), 0), widest)
key_rows(n) = longest_name(n) > 22 ? n : (n + 1) / 2

start(format) = format eq 'svg' ? \
        sprintf("set terminal svg size %d,%d dynamic font 'sans-serif,15' background rgb 'white' noenhanced", width, height) : \
    format eq 'png' ? \
        sprintf("set terminal pngcairo size %d,%d font 'sans-serif,11' fontscale 2 linewidth 2 pointscale 2 noenhanced", 2 * width, 2 * height) : \
        sprintf("set terminal pdfcairo size %gin,%gin font 'sans-serif,11' linewidth 1.5 noenhanced", width / 96.0, height / 96.0)

# What was measured, said in every drawing: in the title of its first panel.
n_points = 0; n_synthetic = 0
stats name.'.csv' skip 1 using (n_points = n_points + 1, n_synthetic = n_synthetic + extra(origin)) nooutput
set tmargin 1.8
stand_ins = n_synthetic == 0 ? '' : (n_synthetic == n_points ? '' : 'partly ').'synthetic stand-ins'
titled(text) = text.(text eq '' || stand_ins eq '' ? '' : ' · ').stand_ins
set title stand_ins offset 0,-0.5
