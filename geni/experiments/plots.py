"""The plots of a report, as SVG and PNG files.

Each kind of plot is one function that draws into one pair of axes. Ours is blue with round marks, the
course project's orange with square ones, everywhere; what is only for comparison is grey. Every plot
says below its title what it shows, in which unit and of how many runs.

The same results make the same bytes: ids come from a fixed salt, and no date is written. Matplotlib's
global state is left alone.
"""
import io
import textwrap

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

import published
import settings
import targets
from palette import BOUND, GRID, INK, MUTED, OURS, OURS_SOFT, PAPER, THEIRS

STYLE = {
    "font.family": ["DejaVu Sans", "sans-serif"], "font.size": 10.5, "text.parse_math": False,
    "text.color": INK, "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "axes.labelsize": 10,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": MUTED,
    "xtick.major.size": 0, "ytick.major.size": 0, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID, "grid.linewidth": 0.8,
    "lines.linewidth": 2, "lines.markersize": 7, "svg.fonttype": "none", "svg.hashsalt": "imgrec",
    "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER,
}
WIDTH, HEIGHT = 5.4, 3.7  # inches
PNG_DPI = 160
MOST_INTERVAL = 1.6  # of the highest value: as far as an interval is shown


class Plot:
    """One plot of a report: `name` is its file's, `title` what it shows in words, `svg` its text."""

    def __init__(self, name, title, shows, about, axis, draw):
        self.name, self.title = name, title
        with matplotlib.rc_context():
            matplotlib.rcdefaults()  # no reader's matplotlibrc decides how this looks
            matplotlib.rcParams.update(STYLE)
            figure = Figure(figsize=(max(WIDTH, 1.05 * len(axis.groups)), HEIGHT),
                            layout=ConstrainedLayoutEngine(rect=(0, 0, 0.99, 0.8)))
            axes = figure.add_subplot()
            draw(axes, axis)
            axes.set_xlabel(axis.label)
            figure.text(0.015, 0.97, title, va="top", fontsize=12, fontweight="bold")
            figure.text(0.015, 0.9, f"{shows}\n{about}", va="top", fontsize=9.5, color=MUTED, linespacing=1.35)
            self.svg = _render(figure, "svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))).decode()
            self.png = _render(figure, "png", dpi=PNG_DPI, metadata={"Software": None})

    def save(self, folder):
        (folder / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")
        (folder / f"{self.name}.png").write_bytes(self.png)


def _render(figure, kind, **keywords):
    file = io.BytesIO()
    figure.savefig(file, format=kind, **keywords)
    return file.getvalue()


class Axis:
    """The settings of an experiment along x: by their number, evenly where there is none (or where
    bars and boxes want the room). The clean run comes first where it is at 0."""

    def __init__(self, results, experiment, images, evenly=False):
        self.experiment, self.images = experiment, images
        self.groups = list(results.of(experiment, images))
        clean = results.clean(images)
        if clean and experiment != "workers":
            self.groups.insert(0, clean)
        values = [settings.value(experiment, group) for group in self.groups]
        by_number = not evenly and None not in values and len(set(values)) == len(values)
        self.x = values if by_number else list(range(len(self.groups)))
        self.label = settings.AXES[experiment]
        self.span = (max(self.x) - min(self.x)) or 1

    def set(self, axes, right=0.08):
        """Ticks and limits; `right` leaves room for labels at the lines' ends, as a share."""
        axes.set_xticks(self.x, [self._tick(group) for group in self.groups])
        axes.set_xlim(min(self.x) - 0.09 * self.span, max(self.x) + right * self.span)

    def _tick(self, group):
        if group.clean and self.experiment != "workers":
            return "clean"
        return "\n".join(textwrap.wrap(settings.short_name(self.experiment, group.setting), 15))

    @property
    def runs(self):
        counts = {group.throughput.n for group in self.groups}
        return f"n = {counts.pop()}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"


def all_plots(results):
    """[Plot] for every experiment and number of photos, in the order of the report."""
    return [plot for experiment in results.experiments for images in results.image_counts
            if results.of(experiment, images) for plot in of_experiment(results, experiment, images)]


def of_experiment(results, experiment, images):
    """[Plot] of one experiment with so many photos."""
    what, count = settings.EXPERIMENTS[experiment].lower(), settings.photos(images)
    by_number = Axis(results, experiment, images)
    evenly = Axis(results, experiment, images, evenly=True)
    about = f"{count}, {by_number.runs}"
    single = all(group.throughput.n == 1 for group in by_number.groups)
    mean = "one run each, so without intervals" if single else "mean and 95 % interval"
    ratio = "one run each, so without intervals of ours" if single else "with 95 % interval"

    def plot(kind, title, shows, axis, draw, note=""):
        return Plot(f"{experiment}-{images}-{kind}", title, shows, about + note, axis, draw)

    singles = "one run each" if single else "median, quartiles, extremes, all runs"
    plots = [
        plot("line", f"Throughput: {what}", f"Mbit/s of the photos' bytes, {mean}", by_number, _line,
             _cut([_mean(group.throughput) for group in by_number.groups])),
        plot("box", f"Throughput of single runs: {what}",
             f"Mbit/s of the photos' bytes: {singles}", evenly, _box),
    ]
    if experiment == "workers":
        if any(group.speedup for group in by_number.groups):
            plots.append(plot("scaling", "Scaling: throughput relative to one worker",
                              f"times as much, {ratio}", by_number, _scaling,
                              _theirs(images) + ("\ndotted: what the physical bound allows"
                                                 if _held_back(by_number, "possible_speedup") else "")))
    elif any(group.r for group in by_number.groups):
        plots.append(plot("relative", f"Throughput kept: {what}",
                          f"relative to the clean run of the same repeat, {ratio}", by_number, _relative,
                          ("" if experiment == "combined" else _theirs(images)) +
                          _cut([_ends(group.r) for group in by_number.groups if group.r]) +
                          ("\ngrey: what the physical bound allows" if _held_back(by_number) else "")))
    if any(group.bound for group in evenly.groups):
        plots.append(plot("bound", f"Total time and its bound: {what}",
                          "seconds: runs as points, physical bound as a bar, mean ratio above", evenly, _bound,
                          f"; line: {targets.OVER_BOUND:g} × bound" if images == published.PHOTOS else ""))
    return plots


def _theirs(images):
    photos = "" if images == published.PHOTOS else f"{settings.photos(published.PHOTOS)}, "
    return f"; course project: {photos}n = {published.RUNS}"


def _cut(points):
    return "; intervals cut at the edge" if any((high or 0) > _top(points) for _, _, high in points) else ""


def _held_back(axis, possible="possible"):
    """Whether physics alone takes a good part of the clean run's throughput, or of linear scaling."""
    return any((ratio := getattr(group, possible)) and
               ratio < 0.9 * (group.runs[0].workers if possible == "possible_speedup" else 1) for group in axis.groups)


def _whiskers(low, value, high):
    """matplotlib's yerr of one point with an interval, None without."""
    return None if low is None else [[value - low], [high - value]]


def _points(axes, xs, ratios, colour, marker, zorder):
    """A line through (value, low, high), with intervals where there are any."""
    axes.plot(xs, [value for value, _, _ in ratios], color=colour, zorder=zorder)
    for x, (value, low, high) in zip(xs, ratios):
        axes.errorbar([x], [value], yerr=_whiskers(low, value, high), color=colour, fmt=marker, capsize=4,
                      markeredgecolor=PAPER, markeredgewidth=1, elinewidth=1.6, capthick=1.6, zorder=zorder + 1)


def _line(axes, axis):
    spreads = [group.throughput for group in axis.groups]
    points = [_mean(found) for found in spreads]
    top = _top(points)
    if axis.experiment == "combined":
        _without_order(axes, axis, axis.x, points, settings.digits)
    else:
        _points(axes, axis.x, points, OURS, "o", 2)
        for index, (x, (value, _, high)) in enumerate(zip(axis.x, points)):
            # On the side that the line does not come from; never on an interval that goes on up.
            before = points[max(index - 1, 0)][0]
            cut = high is not None and high > top
            side = (value < before) - (value > before) or int(cut)
            axes.annotate(settings.digits(value), (x, value if cut else high or value), (6 * side, 6), color=OURS,
                          textcoords="offset points", ha={-1: "right", 0: "center", 1: "left"}[side],
                          fontweight="bold")
        axis.set(axes, right=0.14)
    _from_zero(axes, top, room=1.15)


def _without_order(axes, axis, xs, points, form):
    """Settings that are not along one scale: no line between them, the values beside them."""
    for x, point in zip(xs, points):
        _points(axes, [x], [point], OURS, "o", 3)
        axes.annotate(form(point[0]), (x, point[0]), (15, 0), textcoords="offset points", va="center",
                      color=OURS, fontweight="bold")
    _even(axes, axis)


def _box(axes, axis):
    for x, group in zip(axis.x, axis.groups):
        values = [run.throughput_mbit for run in group.runs]
        if len(values) > 1:
            axes.boxplot([values], positions=[x], widths=0.5, whis=(0, 100), showfliers=False, patch_artist=True,
                         manage_ticks=False, boxprops={"facecolor": OURS_SOFT, "edgecolor": OURS, "linewidth": 1.2},
                         medianprops={"color": OURS, "linewidth": 2.4, "solid_capstyle": "butt"},
                         whiskerprops={"color": OURS, "linewidth": 1.2}, capprops={"color": OURS, "linewidth": 1.2})
        axes.scatter(_beside(x, group.runs), values, s=13, color=INK, alpha=0.75, linewidths=0, zorder=4)
    _even(axes, axis)
    _from_zero(axes, max(group.throughput.maximum for group in axis.groups), room=1.08)


def _beside(x, runs):
    """Where the points of runs go around x: side by side in the order of their repeats, not by chance."""
    if len(runs) == 1:
        return [x]
    return [x + 0.3 * (index / (len(runs) - 1) - 0.5) for index in range(len(runs))]


def _even(axes, axis):
    axis.set(axes)
    axes.set_xlim(min(axis.x) - 0.6, max(axis.x) + 0.6)


def _from_zero(axes, highest, room):
    axes.set_ylim(0, highest * room or 1)


def _top(points):
    """Up to where a plot of (value, low, high) goes. Intervals of two or three runs can be many times
    as large as what was measured; they are cut at the edge, so that the values can be told apart."""
    most = max(value for value, _, _ in points)
    return min(max(high or value for value, _, high in points), MOST_INTERVAL * most)


def _relative(axes, axis):
    places = [(x, group) for x, group in zip(axis.x, axis.groups)
              if group.r and not (group.clean and axis.experiment == "combined")]
    xs, groups = [x for x, _ in places], [group for _, group in places]
    in_order = axis.experiment != "combined"
    axes.plot([xs[0], xs[-1]], [1, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if _held_back(axis):
        allowed = [min(1, group.possible or 1) for group in groups]
        axes.plot(xs, allowed, color=MUTED, linewidth=1.5, linestyle=(0, (1, 1.5)) if in_order else "none",
                  marker="" if in_order else "_", markersize=24, zorder=4)
    ours = [_ends(group.r) for group in groups]
    top = _top([(1.0, None, None), *ours])
    if not in_order:
        _without_order(axes, axis, xs, ours, "{:.2f}".format)
    else:
        _points(axes, xs, ours, OURS, "o", 3)
        theirs = [(x, ratio) for x, group in places
                  if (ratio := published.ratio(group.experiment, group.setting))]
        ends = [(xs[-1], ours[-1][0], "imgrec", OURS)]
        if len(theirs) > 1:
            _points(axes, [x for x, _ in theirs], [_ends(ratio) for _, ratio in theirs], THEIRS, "s", 2)
            ends.append((theirs[-1][0], theirs[-1][1].r, "course\nproject", THEIRS))
        axis.set(axes, right=0.33)
        _name_lines(axes, axis, ends, top=top)
    _from_zero(axes, top, room=1.12)


def _mean(spread):
    return spread.mean, spread.low, spread.high


def _ends(ratio):
    return ratio.r, ratio.low, ratio.high


def _name_lines(axes, axis, ends, top):
    """Names one or two lines at their ends, with the value there; apart where the ends are close."""
    ends = sorted(ends, key=lambda end: end[1])
    apart = max(0.0, 0.15 * top - (ends[-1][1] - ends[0][1])) / 2 if len(ends) > 1 else 0.0
    for (x, value, name, colour), shift in zip(ends, (-apart, apart)):
        axes.text(x + 0.04 * axis.span, max(value + shift, 0.06 * top), f"{value:.2f} {name}", color=colour,
                  va="center", fontweight="bold", fontsize=10, linespacing=1.1)


def _scaling(axes, axis):
    places = [(group.runs[0].workers, group) for group in axis.groups if group.speedup]
    xs = [workers for workers, _ in places]
    ours = [_ends(group.speedup) for _, group in places]
    top = _top([(max(xs), None, None), *ours])
    axes.plot([0, max(xs)], [0, max(xs)], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if _held_back(axis, "possible_speedup"):
        allowed = [min(workers, group.possible_speedup or workers) for workers, group in places]
        axes.plot(xs, allowed, color=MUTED, linewidth=1.5, linestyle=(0, (1, 1.5)), zorder=4)
    _points(axes, xs, ours, OURS, "o", 3)
    theirs = [(workers, ratio) for workers, group in places if (ratio := published.speedup(group.setting))]
    ends = [(xs[-1], places[-1][1].speedup.r, "imgrec", OURS)]
    if len(theirs) > 1:
        _points(axes, [x for x, _ in theirs], [_ends(ratio) for _, ratio in theirs], THEIRS, "s", 2)
        ends.append((theirs[-1][0], theirs[-1][1].r, "course\nproject", THEIRS))
    axis.set(axes, right=0.44)
    axes.set_xlim(left=0)
    _name_lines(axes, axis, ends, top=top * 1.15)
    axes.annotate("linear", (max(xs) * 0.29, max(xs) * 0.29), (-4, 6), textcoords="offset points", ha="right",
                  color=MUTED)
    _from_zero(axes, top, room=1.15)


def _bound(axes, axis):
    room = targets.OVER_BOUND if axis.images == published.PHOTOS else 1
    for x, group in zip(axis.x, axis.groups):
        if not group.bound:
            continue
        axes.bar([x], [group.bound], width=0.56, color=BOUND, zorder=1)
        limit = room * group.bound
        if limit > group.bound:
            axes.plot([x - 0.28, x + 0.28], [limit, limit], color=MUTED, linewidth=1, zorder=2)
        axes.scatter(_beside(x, group.runs), [run.total_s for run in group.runs], s=18, color=OURS, linewidths=0,
                     alpha=0.85, zorder=3)
        axes.annotate(f"{group.over_bound.mean:.2f}×", (x, max(limit, group.total.maximum)), (0, 6),
                      textcoords="offset points", ha="center", fontweight="bold")
    _even(axes, axis)
    highest = max(max((group.bound or 0) * room, group.total.maximum) for group in axis.groups)
    _from_zero(axes, highest, room=1.12)
