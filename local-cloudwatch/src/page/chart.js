"use strict";
// An SVG chart of values over time. Text is added only as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 44, right: 6, top: 10, bottom: 22 };

function svg(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

function element(name, className, text, parent) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function formatNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(1);
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) {
      const scaled = value / (letter === "k" ? 1e3 : unit);
      return scaled.toFixed(Math.abs(scaled) < 100 ? 1 : 0).replace(/\.0$/, "") + letter;
    }
  }
  return String(+value.toPrecision(size >= 1000 ? 4 : 3));
}

function clockTime(seconds, withSeconds) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) options.second = "2-digit";
  return new Date(seconds * 1000).toLocaleTimeString([], options);
}

// Returns about four round axis marks that cover [low, high], at least `minStep` apart.
function axisMarks(low, high, minStep) {
  const span = high - low || 1;
  const raw = Math.max(span / 3, minStep);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  const first = Math.floor(low / step) * step;
  const list = [];
  for (let value = first; list.length < 8; value += step) {
    list.push(value);
    if (value >= high) break;
  }
  return list;
}

class Chart {
  // `emptyText` is shown if no line has a value.
  constructor(host, emptyText) {
    this.host = host;
    this.emptyText = emptyText;
    this.hovered = null;
    new ResizeObserver(() => this.draw()).observe(host);
    host.addEventListener("pointermove", (event) => this.point(event.clientX));
    host.addEventListener("pointerdown", (event) => this.point(event.clientX));
    host.addEventListener("pointerleave", () => { this.hovered = null; this.draw(); });
  }

  // data: {start, period, bars, isWhole, lines: [{name, className, values, isDashed}]}. Bars are stacked. `isWhole` means
  // that only whole numbers are marked.
  show(data) {
    this.data = data;
    this.draw();
  }

  point(clientX) {
    if (!this.data) return;
    const box = this.host.getBoundingClientRect();
    const width = box.width - MARGIN.left - MARGIN.right;
    const size = this.size();
    const index = Math.floor(((clientX - box.left - MARGIN.left) / width) * size);
    this.hovered = index >= 0 && index < size ? index : null;
    this.draw();
  }

  size() {
    return Math.max(1, ...this.data.lines.map((line) => line.values.length));
  }

  draw() {
    const { host, data } = this;
    const width = host.clientWidth, height = host.clientHeight;
    if (!data || width < 60) return;
    host.replaceChildren();
    const values = data.lines.flatMap((line) => line.values).filter((value) => value !== null);
    if (values.length === 0) element("div", "no-data", this.emptyText, host);
    const size = this.size();
    const stacked = (index) => data.lines.reduce((sum, line) => sum + (line.values[index] ?? 0), 0);
    const tops = data.bars ? [...Array(size).keys()].map(stacked) : values;
    const marks = axisMarks(Math.min(0, ...tops), Math.max(...tops, data.bars ? 1 : 0) || 1, data.isWhole ? 1 : 0);
    const low = marks[0], high = marks[marks.length - 1];
    const inner = width - MARGIN.left - MARGIN.right;
    const slot = inner / size;
    const x = (index) => MARGIN.left + (index + 0.5) * slot;
    const y = (value) => MARGIN.top + (1 - (value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, host);
    for (const mark of values.length === 0 ? marks.slice(0, 1) : marks) {
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(mark), y2: y(mark) }, root);
      svg("text", { x: MARGIN.left - 8, y: y(mark) + 4, "text-anchor": "end" }, root).textContent = formatNumber(mark);
    }
    this.drawTimes(root, x, size, height);
    if (data.bars) this.drawBars(root, x, y, slot, size);
    else for (const line of data.lines) this.drawLine(root, x, y, line);
    if (this.hovered !== null && values.length > 0) this.drawTooltip(root, x(this.hovered), y, width, height);
  }

  drawTimes(root, x, size, height) {
    const { start, period } = this.data;
    const span = period * size;
    const step = [60, 120, 180, 300, 600, 900, 1800, 3600].find((candidate) => span / candidate <= Math.max(2, Math.min(6, this.host.clientWidth / 80))) ?? 3600;
    for (let index = 0; index < size; index += 1) {
      const time = start + index * period;
      if (time % step !== 0 || x(index) < MARGIN.left + 14 || x(index) > this.host.clientWidth - 18) continue;
      svg("text", { x: x(index), y: height - 4, "text-anchor": "middle" }, root).textContent = clockTime(time);
    }
  }

  drawBars(root, x, y, slot, size) {
    const width = Math.max(1, Math.min(26, slot * 0.72));
    const base = new Array(size).fill(0);
    for (const line of this.data.lines) {
      let path = "";
      line.values.forEach((value, index) => {
        if (!value) return;
        const from = y(base[index]), to = y(base[index] + value);
        base[index] += value;
        const height = Math.max(1, Math.abs(from - to)), top = Math.min(from, to);
        const round = Math.min(3, width / 3, height);
        const left = x(index) - width / 2;
        path += `M${left} ${top + height}V${top + round}q0 ${-round} ${round} ${-round}h${width - 2 * round}q${round} 0 ${round} ${round}V${top + height}Z`;
      });
      svg("path", { class: `bars ${line.className}`, d: path }, root);
    }
  }

  drawLine(root, x, y, line) {
    const known = line.values.flatMap((value, index) => (value === null ? [] : [index]));
    // A gap of more than one missing period interrupts the line. A point between two gaps is drawn as a dot.
    const runs = [];
    known.forEach((index, n) => {
      if (n > 0 && index - known[n - 1] <= 2) runs[runs.length - 1].push(index);
      else runs.push([index]);
    });
    for (const run of runs) {
      const points = run.map((index) => `${x(index)} ${y(line.values[index])}`).join("L");
      if (run.length === 1) {
        svg("circle", { class: line.className, cx: x(run[0]), cy: y(line.values[run[0]]), r: 2.5 }, root);
        continue;
      }
      if (!line.isDashed && this.data.lines.length <= 2) {
        svg("path", { class: `area ${line.className}`, d: `M${points}L${x(run[run.length - 1])} ${y(0)}L${x(run[0])} ${y(0)}Z` }, root);
      }
      svg("path", { class: `stroke ${line.className}${line.isDashed ? " dashed" : ""}`, d: `M${points}` }, root);
    }
  }

  drawTooltip(root, at, y, width, height) {
    const { lines, start, period, bars } = this.data;
    svg("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }, root);
    const tip = element("div", "tip", undefined, this.host);
    element("time", "", clockTime(start + this.hovered * period, period < 60), tip);
    for (const line of lines) {
      const value = line.values[this.hovered];
      if (!bars && value !== null) svg("circle", { class: line.className, cx: at, cy: y(value), r: 3.5 }, root);
      const row = element("div", line.className, undefined, tip);
      element("i", "dot", undefined, row);
      element("span", "", line.name, row);
      element("b", "", formatNumber(value), row);
    }
    const left = at + 14 + tip.offsetWidth > width ? at - 14 - tip.offsetWidth : at + 14;
    tip.style.left = `${Math.max(0, left)}px`;
  }
}
