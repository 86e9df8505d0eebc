// Owns the charts. They are drawn by Chart.js, which the manager serves where its system has it;
// without it there are the same figures as tables.

import { CHARTS, describe, points, rangeFor, stats, tableRows, timeMark, timeMarks, within } from '../series.js';
import { make, setAttribute, setText } from './element.js';

const LIBRARY = '/vendor/chart.js';
const COLOURS = ['--accent', '--warn', '--bad'];  // of the style sheet
const DASHES = [[], [6, 3], [2, 3]];              // lines differ by more than their colour
const TABLE_EVERY_S = 10;                         // a table that changes each second cannot be read

/** Loads Chart.js; false where this server does not have it. */
export function loadLibrary() {
  return new Promise((resolve) => {
    const script = document.createElement('script');
    script.src = LIBRARY;
    script.onload = () => resolve(Boolean(window.Chart));
    script.onerror = () => resolve(false);
    document.head.append(script);
  });
}

export class Charts {
  #panels;
  #note;
  #range = null;    // chosen by the person; null: as long as there is something to show
  #ranges;
  #samples = null;  // what is shown
  #dirty = true;

  /** before: the panel that follows the first two charts. */
  constructor(element, { template, note, ranges, before }) {
    this.#note = note;
    this.#ranges = ranges;
    this.#panels = CHARTS.map((chart) => new Panel(chart, template));
    const elements = this.#panels.map((panel) => panel.element);
    before.before(...elements.slice(0, 2));
    element.append(...elements.slice(2));
    ranges.addEventListener('change', ({ target }) => {
      this.#range = Number(target.value);
      this.#dirty = true;
      this.#show();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const panel of this.#panels) panel.recolour();
    });
  }

  async load() {
    if (await loadLibrary()) {
      for (const panel of this.#panels) {
        panel.begin();
        await new Promise(requestAnimationFrame);  // one at a time: the page stays alive
      }
    } else {
      this.#note.textContent = 'Charts need Chart.js, which this server does not have (Debian’s package '
        + 'libjs-chart.js, or the option http.chart-js). The same figures are in the tables below.';
      this.#note.hidden = false;
      for (const panel of this.#panels) panel.doWithout();
    }
  }

  update(state) {
    if (state.samples === this.#samples && !this.#dirty) return;
    this.#samples = state.samples;
    this.#dirty = true;
    this.#show();
  }

  #show() {
    if (!this.#samples || document.hidden) return;  // it is drawn when somebody looks
    this.#dirty = false;
    const range = this.#range ?? rangeFor(this.#samples);
    for (const input of this.#ranges.querySelectorAll('input')) input.checked = Number(input.value) === range;
    const samples = within(this.#samples, range);
    for (const panel of this.#panels) panel.show(samples, range);
  }
}

class Panel {
  #canvas;
  #drawing = null;
  #tableOf = '';
  #shown = null;  // what to draw once it can

  constructor(chart, template) {
    this.chart = chart;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.id = `chart-${chart.id}`;
    const title = this.element.querySelector('h3');
    title.textContent = chart.title;
    title.id = `chart-${chart.id}-title`;
    this.element.setAttribute('aria-labelledby', title.id);
    this.now = this.element.querySelector('.chart-now');
    this.#canvas = this.element.querySelector('canvas');
    this.table = this.element.querySelector('table');
    this.table.setAttribute('aria-labelledby', title.id);
    this.legend = this.element.querySelector('.legend');
    this.legend.hidden = chart.lines.length === 1;
    chart.lines.forEach(({ label }, index) => {
      this.legend.append(make('li', `line-${index}`, label));
      const header = make('th', 'number', label);
      header.scope = 'col';
      this.table.tHead.rows[0].append(header);
    });
    this.element.querySelector('details').addEventListener('toggle', () => { this.#tableOf = ''; });
  }

  begin() {
    const configuration = configure(this.chart);
    colour(configuration.data, configuration.options);
    this.#drawing = new window.Chart(this.#canvas, configuration);
    if (this.#shown) this.show(...this.#shown);
  }

  doWithout() {
    this.element.classList.add('no-chart');
    this.element.querySelector('details').open = true;
  }

  show(samples, range) {
    this.#shown = [samples, range];
    const of = this.chart.lines.map(({ key }) => stats(samples, key));
    const text = this.chart.now ?? this.chart.text;
    setText(this.now, of[0]?.now == null ? '' : text(of[0].now));
    setAttribute(this.#canvas, 'aria-label', describe(this.chart, samples, range));
    this.#showTable(samples, range);
    if (!this.#drawing) return;
    const most = Math.max(0, ...of.map((line) => line?.most ?? 0));
    const { data, options } = this.#drawing;
    this.chart.lines.forEach(({ key }, index) => { data.datasets[index].data = points(samples, key); });
    options.scales.x.min = -range + 1;
    options.scales.y.suggestedMax = Math.max(this.chart.least, most * 1.05);
    options.marks = timeMarks(range);
    this.#drawing.update('none');
  }

  #showTable(samples, range) {
    const newest = samples.at(-1)?.second ?? 0;
    const mark = `${range} ${Math.floor(newest / TABLE_EVERY_S)} ${samples.length > 1}`;
    if (mark === this.#tableOf) return;
    this.#tableOf = mark;
    const rows = tableRows(this.chart, samples, range).map(({ when, values }) => {
      const row = make('tr');
      const head = make('th', '', when);
      head.scope = 'row';
      row.append(head, ...values.map((value) => make('td', 'number', value)));
      return row;
    });
    this.table.tBodies[0].replaceChildren(...rows);
  }

  recolour() {
    if (!this.#drawing) return;
    colour(this.#drawing.data, this.#drawing.options);
    this.#drawing.update('none');
  }
}

/** The style sheet's colours of this moment. */
function colour(data, { scales, plugins }) {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  data.datasets.forEach((set, index) => {
    set.borderColor = set.pointHoverBackgroundColor = named(COLOURS[index]);
    set.backgroundColor = named('--fill');
  });
  for (const scale of Object.values(scales)) {
    scale.grid.color = scale.grid.borderColor = named('--line');
    scale.ticks.color = named('--muted');
  }
  Object.assign(plugins.tooltip, {
    backgroundColor: named('--ink'), titleColor: named('--page'), bodyColor: named('--page'),
  });
}

// Nothing moves by itself: with a new value each second an animation would never end.
function configure(chart) {
  const ago = (x) => (x === 0 ? 'now' : `${-x} s ago`);
  return {
    type: 'line',
    data: {
      datasets: chart.lines.map(({ label }, index) => ({
        label, data: [], borderWidth: 1.75, borderDash: DASHES[index], pointRadius: 0,
        pointHoverRadius: 3, fill: index === 0 && chart.lines.length < 3 ? 'origin' : false,
        stepped: chart.stepped ? 'after' : false, borderJoinStyle: 'round',
      })),
    },
    options: {
      marks: [],  // of the time axis
      animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
      interaction: { mode: 'index', intersect: false, axis: 'x' },
      layout: { padding: { top: 4 } },
      scales: {
        x: {
          type: 'linear', max: 0,
          afterBuildTicks: (axis) => { axis.ticks = axis.chart.options.marks.map((value) => ({ value })); },
          ticks: { callback: timeMark, padding: 6, maxRotation: 0, autoSkip: true, autoSkipPadding: 12 },
          grid: { drawTicks: false, display: false },
        },
        y: {
          beginAtZero: true, suggestedMax: chart.least,
          ticks: { callback: (value) => (chart.mark ?? chart.text)(value), maxTicksLimit: 5,
                   precision: chart.whole ? 0 : undefined, padding: 6 },
          grid: { drawTicks: false, drawBorder: false },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          displayColors: false, padding: 8, cornerRadius: 8,
          callbacks: {
            title: ([first]) => (first ? ago(first.parsed.x) : ''),
            label: ({ dataset, parsed }) => (chart.lines.length === 1
              ? chart.text(parsed.y) : `${dataset.label} ${chart.text(parsed.y)}`),
          },
        },
      },
    },
  };
}
