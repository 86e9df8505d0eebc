"""The colours of the plots. inline_svg.py has each follow the page that a plot stands in."""

INK, MUTED, GRID, PAPER = "#15211e", "#56655f", "#dce3e0", "#ffffff"
# Okabe and Ito's blue and (a little darker) vermilion, which people with any colour vision tell apart.
OURS, OURS_SOFT, THEIRS = "#0072b2", "#cfe3f0", "#c65102"
BOUND = "#c3cdc9"
