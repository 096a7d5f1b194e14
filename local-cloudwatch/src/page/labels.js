"use strict";
// Numbers and times as text, the marks of an axis, and the width that their labels need.

const LABEL_SIZE = 11;
const LABEL_GAP = 8;
const UNITS = [[1e12, 1e12, "T"], [1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]];

// Returns the divisor and letter for values up to `size`, or null if only an exponent keeps them short.
function unitOf(size) {
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return null;
  const [, divisor, letter] = UNITS.find(([least]) => size >= least) ?? [0, 1, ""];
  return { divisor, letter };
}

function formatNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value), unit = unitOf(size);
  if (unit === null) return value.toExponential(1);
  if (unit.letter === "") return String(+value.toPrecision(size >= 1000 ? 4 : 3));
  const scaled = value / unit.divisor;
  return scaled.toFixed(Math.abs(scaled) < 100 ? 1 : 0).replace(/\.0$/, "") + unit.letter;
}

function clockTime(seconds, withSeconds) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) options.second = "2-digit";
  return new Date(seconds * 1000).toLocaleTimeString([], options);
}

// Returns about four round marks that cover [low, high], at least `minStep` apart.
function axisMarks(low, high, minStep) {
  const span = high - low || 1;
  const raw = Math.max(span / 3, minStep);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const first = Math.floor(low / step);
  const list = [];
  for (let n = first; list.length < 8; n += 1) {
    // Without the rounding errors of the product.
    list.push(+(n * step).toPrecision(12));
    if (n * step >= high) break;
  }
  return list;
}

// Returns the labels of an axis. They share a unit, which is that of the largest mark.
function axisLabels(marks) {
  const unit = unitOf(Math.max(...marks.map(Math.abs)));
  return marks.map((mark) => {
    if (mark === 0) return "0";
    if (unit === null) return (+mark.toPrecision(3)).toExponential();
    return (+(mark / unit.divisor).toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 10 }) + unit.letter;
  });
}

const labelFont = () => `${LABEL_SIZE}px ${getComputedStyle(document.body).fontFamily}`;

const ruler = document.createElement("canvas").getContext("2d");

// Returns the width of the widest label in CSS pixels.
function widest(labels) {
  ruler.font = labelFont();
  return Math.ceil(Math.max(0, ...labels.map((label) => ruler.measureText(label).width)));
}

// Returns the width of an axis with these labels in CSS pixels.
function axisSize(labels) {
  return widest(labels) + LABEL_GAP + 1;
}
