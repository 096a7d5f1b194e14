"use strict";
// Charts of values over time. uPlot draws them; this file has their data, axes, colours and tooltips. Text is added
// only as text nodes, never as markup.

const TIME_AXIS_HEIGHT = 22;
const TIME_STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

function element(name, className, text, parent) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

// Returns a colour of page.css, which depends on the colour scheme.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// uPlot interrupts a line at null, but not at undefined. One missing period does not interrupt it.
function bridged(values) {
  return values.map((value, index) =>
    value === null && (values[index - 1] ?? null) !== null && (values[index + 1] ?? null) !== null ? undefined : value);
}

// Returns the indices of points between two gaps, which no line reaches.
function lonePoints(values) {
  const isGap = (index) => index < 0 || index >= values.length || values[index] === null;
  return [...values.keys()].filter((index) => values[index] != null && isGap(index - 1) && isGap(index + 1));
}

// Returns the values of each line on top of those below it.
function stacked(lines) {
  const base = [];
  return lines.map((line) => line.values.map((value, index) => {
    base[index] = value === null ? base[index] ?? null : (base[index] ?? 0) + value;
    return base[index];
  }));
}

class Chart {
  // `emptyText` is shown if no line has a value.
  constructor(host, emptyText) {
    this.host = host;
    this.canvas = element("div", "plot", undefined, host);
    this.empty = element("div", "no-data", emptyText, host);
    this.tip = element("div", "tip", undefined, host);
    this.tip.hidden = true;
    this.shape = null;
    host.setAttribute("role", "img");
    new ResizeObserver(() => this.resize()).observe(host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot?.redraw());
  }

  // data: {start, period, bars, isWhole, lines: [{name, className, values, isDashed}]}. Bars are stacked. `isWhole` means
  // that only whole numbers are marked.
  show(data) {
    this.data = data;
    const values = data.lines.flatMap((line) => line.values).filter((value) => value !== null);
    this.empty.hidden = values.length > 0;
    this.heights = data.bars ? stacked(data.lines) : data.lines.map((line) => bridged(line.values));
    const tops = this.heights.flat().filter((value) => value != null);
    // Zero is always shown.
    const low = Math.min(0, ...tops), high = Math.max(0, ...tops);
    this.marks = axisMarks(low, low === high ? 1 : high, data.isWhole ? 1 : 0);
    const last = (line) => `${line.name} ${formatNumber(line.values.findLast((value) => value !== null))}`;
    this.host.setAttribute("aria-label", values.length > 0 ? data.lines.map(last).join(", ") : this.empty.textContent);
    this.draw();
  }

  size() {
    return Math.max(1, ...this.data.lines.map((line) => line.values.length));
  }

  draw() {
    const { host, data } = this;
    if (!data || host.clientWidth < 60) return;
    // uPlot has no way to change what a series looks like.
    const shape = JSON.stringify([data.bars, data.lines.map((line) => [line.name, line.className, line.isDashed])]);
    if (shape !== this.shape) {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(), this.columns(), this.canvas);
      this.shape = shape;
    } else {
      this.plot.setData(this.columns());
    }
    this.showTip();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!this.plot) this.draw();
    else if (width >= 60) this.plot.setSize({ width, height });
  }

  // Returns the times and the values of each series. The largest bars come first, so that the others cover them.
  columns() {
    const { start, period, bars } = this.data;
    const times = [...Array(this.size()).keys()].map((index) => start + index * period);
    return [times, ...(bars ? this.heights.toReversed() : this.heights)];
  }

  options() {
    const { host, data } = this;
    const timeWidth = widest(["00:00:00"]);
    const lines = data.bars ? data.lines.toReversed() : data.lines;
    return {
      width: host.clientWidth,
      height: host.clientHeight,
      // Half of a label of time reaches beyond the last mark, and half of a number beyond the highest.
      padding: [LABEL_SIZE, Math.ceil(timeWidth / 2), 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !data.bars, size: 7 } },
      scales: {
        x: { range: () => [this.data.start - this.data.period / 2, this.data.start + (this.size() - 0.5) * this.data.period] },
        y: { range: () => [this.marks[0], this.marks[this.marks.length - 1]] },
      },
      axes: [
        {
          size: TIME_AXIS_HEIGHT, gap: 6, space: timeWidth + 2 * LABEL_GAP, incrs: TIME_STEPS, font: labelFont(),
          stroke: () => colour("faint"), grid: { show: false }, ticks: { show: false },
          values: (_, times, axis, space, step) => times.map((time) => clockTime(time, step < 60)),
        },
        {
          gap: LABEL_GAP, font: labelFont(), stroke: () => colour("faint"), ticks: { show: false },
          grid: { stroke: () => colour("grid"), width: 1 },
          splits: () => (this.empty.hidden ? this.marks : this.marks.slice(0, 1)),
          values: (_, marks) => axisLabels(marks),
          // At least half a label of time, which reaches beyond the first mark.
          size: (_, labels) => Math.max(axisSize(labels ?? []), Math.ceil(timeWidth / 2)),
        },
      ],
      series: [{}, ...lines.map((line) => this.series(line))],
      hooks: { setCursor: [() => this.showTip()] },
    };
  }

  series({ name, className, isDashed }) {
    const stroke = () => colour(className);
    if (this.data.bars) {
      const paths = uPlot.paths.bars({ size: [0.72, 26], radius: 0.15 });
      return { label: name, stroke, fill: stroke, width: 0, paths, points: { show: false } };
    }
    const isArea = !isDashed && this.data.lines.length <= 2;
    return {
      label: name, stroke, width: isDashed ? 1.5 : 2, dash: isDashed ? [4, 4] : undefined, spanGaps: false,
      // The colours of page.css have six digits; these two are the opacity.
      fill: isArea ? () => `${colour(className)}1a` : undefined,
      points: { show: false, size: 5, stroke, fill: stroke, filter: (plot, index) => lonePoints(plot.data[index]) },
    };
  }

  showTip() {
    const { plot, tip, data } = this;
    const index = plot?.cursor.idx;
    tip.hidden = index == null || plot.cursor.left < 0 || !this.empty.hidden;
    if (tip.hidden) return;
    tip.replaceChildren();
    element("time", "", clockTime(data.start + index * data.period, data.period < 60), tip);
    for (const line of data.lines) {
      const row = element("div", line.className, undefined, tip);
      element("i", "dot", undefined, row);
      element("span", "", line.name, row);
      element("b", "", formatNumber(line.values[index]), row);
    }
    const at = plot.over.offsetLeft + plot.valToPos(plot.data[0][index], "x");
    const left = at + 14 + tip.offsetWidth > this.host.clientWidth ? at - 14 - tip.offsetWidth : at + 14;
    tip.style.left = `${Math.max(0, left)}px`;
  }
}
