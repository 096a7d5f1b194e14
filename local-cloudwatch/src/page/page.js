"use strict";
// Loads the overview every second and shows it. Text from clients is shown as text, never as markup.

const byId = (id) => document.getElementById(id);
const COLOURS = 6;
const ERROR_COLOURS = ["s2", "bad", "s3", "s4"];
const WINDOWS = ["5m", "15m", "1h", "3h"];
const state = { namespace: null, metric: null, window: "15m", statistic: null, series: null, otlp: null };

const charts = {
  main: new Chart(byId("chart"), "No data in this time range"),
  percentiles: new Chart(byId("percentile-chart"), "No percentiles in this time range"),
  traffic: new Chart(byId("traffic"), "No calls in this time range"),
};
const panels = [...byId("panels").children].map((card) => ({
  card, subject: card.dataset.subject, chart: new Chart(card.querySelector(".chart"), "No data in this time range"), shown: null,
}));

// The address contains the selection, so that a reload or a shared link shows the same metric.
function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  state.namespace = parameters.get("namespace");
  state.metric = parameters.get("metric");
  state.otlp = parameters.get("otlp");
  if (WINDOWS.includes(parameters.get("window"))) state.window = parameters.get("window");
}

function writeAddress() {
  const parameters = new URLSearchParams({ window: state.window });
  if (state.namespace !== null) parameters.set("namespace", state.namespace);
  if (state.metric !== null) parameters.set("metric", state.metric);
  if (state.otlp !== null) parameters.set("otlp", state.otlp);
  history.replaceState(null, "", `#${parameters}`);
}

function select(changes) {
  Object.assign(state, changes);
  writeAddress();
  refresh();
}

let latestRequest = 0;

async function refresh() {
  const request = ++latestRequest;
  const parameters = new URLSearchParams({ window: state.window });
  if (state.namespace !== null) parameters.set("namespace", state.namespace);
  if (state.metric !== null) parameters.set("metric", state.metric);
  try {
    const response = await fetch(`/_local/overview?${parameters}`, { cache: "no-store" });
    if (!response.ok) throw new Error(response.status);
    const overview = await response.json();
    if (request === latestRequest) show(overview);
  } catch {
    if (request === latestRequest) showStatus(false, "unreachable");
  }
}

function showStatus(isOn, text) {
  byId("live").className = `live ${isOn ? "on" : "off"}`;
  setText("live", text, "b");
}

// Unchanged text is not set again, because that would clear the user's text selection.
function setText(id, text, child) {
  const node = child ? byId(id).querySelector(child) : byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function show(overview) {
  const shift = overview.shift_millis === 0 ? "" : ` (clock ${overview.shift_millis > 0 ? "+" : "−"}${formatDuration(Math.abs(overview.shift_millis))})`;
  showStatus(true, clockTime(overview.now_millis / 1000, true) + shift);
  setText("location", `${location.host}${overview.region ? ` · ${overview.region}` : ""}`);
  setText("accepted", formatCount(overview.accepted));
  setText("rejected", formatCount(overview.rejected));
  setText("data", formatCount(overview.data));
  setText("series", formatCount(overview.series));
  byId("rejected").className = overview.rejected > 0 ? "bad" : "";
  byId("empty").hidden = overview.detail !== null || overview.otlp.length > 0;
  byId("board").hidden = overview.detail === null;
  if (overview.detail) {
    const isChosen = state.namespace === overview.detail.namespace && state.metric === overview.detail.name;
    showMetrics(overview.metrics, overview.detail, isChosen);
    showHeadings(overview.detail, isChosen);
    showPanels(overview.detail.namespace, overview.panels);
    showDetail(overview.detail);
  } else {
    const region = overview.region ?? "us-east-1";
    setText("example", `export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=${region}\naws cloudwatch put-metric-data --endpoint-url ${location.origin} \\\n  --namespace Demo --metric-name Latency --unit Milliseconds --value 12.5`);
  }
  const { start, period, accepted, rejected } = overview.traffic;
  const filled = (counts) => (counts.some(Boolean) ? counts : counts.map(() => null));
  charts.traffic.show({ start, period, bars: true, isWhole: true, lines: [
    { name: "stored", className: "accent", values: filled(accepted) },
    { name: "rejected", className: "bad", values: filled(rejected) },
  ] });
  showOtlp(overview.otlp, overview.now_millis);
  showCalls(overview.calls);
}

let shownMetrics = "";

function showMetrics(metrics, detail, isChosen) {
  const key = JSON.stringify([metrics, detail.namespace, detail.name, isChosen]);
  if (key === shownMetrics) return;
  shownMetrics = key;
  const list = byId("metric-list"), dropdown = byId("metric-select");
  list.replaceChildren();
  dropdown.replaceChildren();
  let group = null;
  metrics.forEach((metric, index) => {
    if (group === null || group.label !== metric.namespace) {
      group = element("optgroup", "", undefined, dropdown);
      group.label = metric.namespace;
      const isShown = metric.namespace === detail.namespace && !isChosen;
      const all = element("option", "", `All of ${metric.namespace}`, group);
      all.value = `all ${index}`;
      all.selected = isShown;
      const button = element("button", "", undefined, element("h4", "", undefined, list));
      element("span", "", metric.namespace, button);
      button.title = `All of ${metric.namespace}`;
      if (isShown) button.setAttribute("aria-current", "true");
      button.onclick = () => selectNamespace(metric.namespace);
    }
    const isCurrent = isChosen && metric.namespace === detail.namespace && metric.name === detail.name;
    const option = element("option", "", metric.name, group);
    option.value = index;
    option.selected = isCurrent;
    const button = element("button", "", undefined, list);
    element("span", "", metric.name, button);
    element("i", "", formatCount(metric.series), button);
    button.title = metric.name;
    if (isCurrent) button.setAttribute("aria-current", "true");
    button.onclick = () => selectMetric(metric);
  });
  dropdown.onchange = () => {
    const [first, index] = dropdown.value.split(" ");
    if (first === "all") selectNamespace(metrics[Number(index)].namespace);
    else selectMetric(metrics[Number(first)]);
  };
}

function selectNamespace(namespace) {
  select({ namespace, metric: null, statistic: null, series: null });
}

function selectMetric(metric) {
  select({ namespace: metric.namespace, metric: metric.name, statistic: null, series: null });
}

function showHeadings(detail, isChosen) {
  setText("above", isChosen ? detail.namespace : "Namespace");
  setText("heading", isChosen ? detail.name : detail.namespace);
  byId("busiest").hidden = isChosen;
  setText("busiest", detail.name, "h2");
}

// Shows the small charts of a namespace; none if a metric is chosen.
function showPanels(namespace, shown) {
  byId("panels").hidden = shown.length === 0;
  for (const panel of panels) {
    const data = shown.find((candidate) => candidate.subject === panel.subject);
    panel.card.hidden = data === undefined;
    if (data) showPanel(panel, namespace, data);
  }
}

function showPanel(panel, namespace, { subject, unit, start, period, lines }) {
  const bars = subject === "requests" || subject === "errors";
  const colours = subject === "errors" && lines.length > 1 ? ERROR_COLOURS : subject === "errors" ? ["bad"] : ["s0", "s0"];
  const drawn = lines.map(({ metric, statistic, values }, index) => ({
    name: subject === "latency" ? statistic : metric, className: colours[index], values, isDashed: statistic === "p50",
  }));
  panel.chart.show({ start, period, bars, isWhole: bars, lines: drawn });
  const hidden = Math.max(...lines.map((line) => line.hidden));
  const key = JSON.stringify([namespace, lines.map((line) => [line.metric, line.statistic]), unit, period, hidden]);
  if (key === panel.shown) return;
  panel.shown = key;
  panel.card.title = hidden > 0 ? `Without the ${formatCount(hidden)} series that have the fewest samples` : "";
  const suffix = bars ? `per ${periodName(period)}` : unit === "None" || unit === "Count" ? lines[0].statistic : unit;
  const legend = panel.card.querySelector(".legend");
  legend.replaceChildren();
  drawn.forEach((line, index) => {
    const entry = element("button", `key link ${line.className}`, undefined, legend);
    if (drawn.length > 1) element("i", bars ? "dot" : line.isDashed ? "dashed" : "", undefined, entry);
    element("span", "", line.name, entry);
    entry.title = `Show ${lines[index].metric}`;
    entry.onclick = () => selectMetric({ namespace, name: lines[index].metric });
  });
  element("span", "", suffix, legend);
}

function periodName(period) {
  return period === 60 ? "minute" : period < 60 ? `${period} seconds` : `${period / 60} minutes`;
}

function showDetail(detail) {
  setText("period", periodName(detail.period));
  if (!detail.series.some((series) => series.id === state.series)) state.series = null;
  const colours = new Map(detail.series.map((series, index) => [series.id, `s${index % COLOURS}`]));
  const isCounted = detail.series.every((series) => series.unit === "Count" || series.unit === "None");
  const statistic = state.statistic ?? (isCounted ? "sums" : "counts");
  markPressed("statistics", "statistic", statistic);
  markPressed("windows", "window", state.window);
  const chosen = detail.series.filter((series) => state.series === null || series.id === state.series);
  const drawn = chosen.filter((series) => series.count > 0).slice(0, COLOURS);
  const isOne = drawn.length <= 1;
  const line = (series, values, more) => ({ name: label(series), className: colours.get(series.id), values, ...more });
  const { start, period } = detail;
  charts.main.show({ start, period, bars: isOne && statistic !== "averages" && drawn.every((series) => (series.min ?? 0) >= 0), lines: drawn.map((series) => line(series, series[statistic])) });
  const withPercentiles = isCounted ? [] : drawn.filter((series) => series.p99 !== null);
  byId("percentiles").hidden = withPercentiles.length === 0;
  document.querySelector(".charts").classList.toggle("two", withPercentiles.length > 0);
  charts.percentiles.show({ start, period, bars: false, lines: withPercentiles.flatMap((series) => [
    line(series, series.p99s, { name: isOne ? "p99" : `p99 ${label(series)}` }),
    line(series, series.p50s, { name: isOne ? "p50" : `p50 ${label(series)}`, isDashed: true }),
  ]) });
  const units = [...new Set(withPercentiles.map((series) => series.unit))].join(", ");
  showLegend(units);
  showSeries(detail, colours);
}

let shownLegend = null;

function showLegend(units) {
  if (units === shownLegend) return;
  shownLegend = units;
  const legend = byId("percentile-legend");
  legend.replaceChildren(units);
  element("i", "", undefined, legend);
  legend.append("p99");
  element("i", "dashed", undefined, legend);
  legend.append("p50");
}

let shownSeries = "";

function showSeries(detail, colours) {
  const values = detail.series.map(({ id, dimensions, unit, count, sum, min, max, p50, p99 }) => [id, dimensions, unit, count, sum, min, max, p50, p99]);
  const key = JSON.stringify([values, detail.hidden, state.series]);
  if (key === shownSeries) return;
  shownSeries = key;
  const total = detail.series.length + detail.hidden;
  setText("series-heading", `${formatCount(total)} series`);
  byId("show-all").hidden = state.series === null;
  const rows = byId("rows");
  const focused = document.activeElement?.dataset?.series;
  rows.replaceChildren();
  for (const series of detail.series) {
    const isDim = state.series !== null && state.series !== series.id;
    const row = element("button", `row ${colours.get(series.id)}${isDim ? " dim" : ""}`, undefined, rows);
    row.dataset.series = series.id;
    row.setAttribute("aria-pressed", state.series === series.id);
    row.onclick = () => select({ series: state.series === series.id ? null : series.id });
    const name = element("span", "name", undefined, row);
    element("i", "dot", undefined, name);
    for (const [key, value] of Object.entries(series.dimensions)) {
      const tag = element("span", "tag", undefined, name);
      tag.title = `${key}=${value}`;
      element("span", "", `${key} `, tag);
      element("b", "", value, tag);
    }
    element("span", "unit", [Object.keys(series.dimensions).length ? "" : "no dimensions", unitName(series)].filter(Boolean).join(" · "), name);
    const values = element("span", "values", undefined, row);
    const average = series.count > 0 ? series.sum / series.count : null;
    for (const [title, value] of [["samples", series.count], ["sum", series.sum], ["average", average], ["min", series.min], ["max", series.max], ["p50", series.p50], ["p99", series.p99]]) {
      const cell = element("div", "", undefined, values);
      element("span", "", title, cell);
      element("b", "", formatNumber(value), cell);
    }
    if (focused === String(series.id)) row.focus({ preventScroll: true });
  }
  if (detail.hidden > 0) element("p", "more", `… and ${formatCount(detail.hidden)} more with fewer samples`, rows);
}

let shownCalls = "";

function showCalls(calls) {
  const key = JSON.stringify(calls);
  if (key === shownCalls) return;
  shownCalls = key;
  const rows = byId("calls");
  rows.replaceChildren();
  for (const call of calls) {
    const row = element("div", "row", undefined, rows);
    element("time", "", clockTime(call.time_millis / 1000, true), row);
    const isLost = call.status === null;
    const kind = isLost ? "pill lost" : call.status === 200 ? "pill" : "pill bad";
    element("span", kind, isLost ? "no response" : String(call.status), row);
    const operation = element("span", "operation", undefined, row);
    element("span", call.namespace ? "only-wide" : "", `${call.operation || "?"}${call.namespace ? " · " : ""}`, operation);
    operation.append(call.namespace);
    operation.title = operation.textContent;
    const agent = element("span", "agent", call.user_agent, row);
    agent.title = call.user_agent;
    const sizes = element("span", "sizes", call.data > 0 ? `${formatCount(call.data)} ${call.data === 1 ? "datum" : "data"} · ${formatBytes(call.body_bytes)}` : formatBytes(call.body_bytes), row);
    const uncompressed = call.raw_bytes > call.body_bytes ? `, ${formatBytes(call.raw_bytes)} uncompressed` : "";
    element("span", "only-wide", `${uncompressed} · ${call.protocol}`, sizes);
    if (isLost) element("p", "error lost", call.is_stored ? "Connection dropped after storing" : "Connection dropped before storing", row);
    else if (call.code) element("p", "error", `${call.code}: ${call.message}`, row);
    else if (call.rejected_data > 0) element("p", "error lost", `${formatCount(call.rejected_data)} rejected: ${call.message}`, row);
  }
}

function markPressed(id, name, value) {
  for (const button of byId(id).children) button.setAttribute("aria-pressed", button.dataset[name] === value);
}

function label(series) {
  return Object.values(series.dimensions).join(" · ") || "no dimensions";
}

function unitName(series) {
  return series.unit === "None" ? "" : series.unit;
}

function formatCount(number) {
  return number.toLocaleString("en");
}

function formatBytes(number) {
  return number < 1000 ? `${number} B` : number < 1e6 ? `${(number / 1e3).toFixed(1)} kB` : `${(number / 1e6).toFixed(1)} MB`;
}

function formatDuration(millis) {
  const seconds = Math.round(millis / 1000);
  return seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

byId("windows").onclick = (event) => event.target.dataset.window && select({ window: event.target.dataset.window });
byId("statistics").onclick = (event) => event.target.dataset.statistic && select({ statistic: event.target.dataset.statistic });
byId("show-all").onclick = () => select({ series: null });
addEventListener("hashchange", () => { readAddress(); refresh(); });
document.addEventListener("visibilitychange", () => document.hidden || refresh());

// After all scripts have run.
addEventListener("load", () => {
  readAddress();
  refresh();
  setInterval(() => document.hidden || refresh(), 1000);
});
