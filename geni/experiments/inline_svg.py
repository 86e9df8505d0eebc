"""A plot's SVG file as part of a page: colours that follow the page, and ids of its own."""
import html
import re

import palette
from markup import Markup

# The page's name for each colour of a plot, so that a dark page has dark palette.
COLOURS = {
    palette.INK: "--ink", palette.MUTED: "--muted", palette.GRID: "--line", palette.PAPER: "--surface",
    palette.OURS: "--ours", palette.OURS_SOFT: "--ours-soft", palette.THEIRS: "--plot-theirs", palette.BOUND: "--bound",
}


def inline_svg(plot):
    svg = plot.svg[plot.svg.index("<svg"):]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, name in COLOURS.items():
        svg = svg.replace(colour, f"var({name})")
    # An id in a page is there once; those that nothing refers to are not needed.
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda id_: f' id="{plot.name}-{id_[1]}"' if id_[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', lambda reference: f"{reference[1]}{plot.name}-", svg)
    label = html.escape(plot.title)
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-label="{label}" \1>', svg, count=1)
    return Markup(re.sub(r"\n\s*", "\n", svg).strip())
