"use strict";
// The OTLP metrics: a list, and a chart of the chosen one. The chart's values come from Prometheus' HTTP API, and the page
// shows the queries. Text from clients is shown as text, never as markup.

const OTLP_SECONDS = { "5m": 300, "15m": 900, "1h": 3600, "3h": 10800 };
const OTLP_KINDS = { gauge: "gauge", sum: "sum", histogram: "histogram", exponential_histogram: "exponential histogram", summary: "summary" };
const otlpChart = new Chart(byId("otlp-chart"), "No data in this time range");

// Returns what to draw for a metric: queries, each with the name of its line, and whether the lines are bars.
function otlpQueries({ name, kind, temporality, is_monotonic: isMonotonic }, period) {
  const selector = `{${JSON.stringify(name)}}`;
  const isDelta = temporality === "delta";
  // An increase needs two cumulative points, which can be a minute apart.
  const change = isDelta ? `increase(${selector}[${period}s])` : `rate(${selector}[5m])`;
  if (kind === "histogram" || kind === "exponential_histogram") {
    const quantile = (q) => `histogram_quantile(${q}, sum(${change}))`;
    return { bars: false, lines: [{ name: "p99", query: quantile(0.99) }, { name: "p50", query: quantile(0.5), isDashed: true }] };
  }
  if (kind === "summary") return { bars: false, lines: [{ query: `avg by (quantile) (${selector})` }] };
  if (kind === "gauge") return { bars: false, lines: [{ name: "average", query: `avg(${selector})` }] };
  if (isDelta) return { bars: isMonotonic, lines: [{ name: "increase", query: `sum(${change})` }] };
  if (isMonotonic) return { bars: false, lines: [{ name: "per second", query: `sum(${change})` }] };
  return { bars: false, lines: [{ name: "total", query: `sum(${selector})` }] };
}

// Returns a line for each series of a query's result, with a value or null for each time.
async function otlpLines({ name, query, isDashed }, start, end, period) {
  const body = new URLSearchParams({ query, start, end, step: period });
  const response = await fetch("/api/v1/query_range", { method: "POST", body, cache: "no-store" });
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error);
  const times = [];
  for (let time = start; time <= end; time += period) times.push(time);
  return answer.data.result.map(({ metric, values }) => {
    const byTime = new Map((values ?? []).map(([time, text]) => [time, Number(text)]));
    const value = (time) => (Number.isFinite(byTime.get(time)) ? byTime.get(time) : null);
    return { name: name ?? Object.values(metric).join(" · "), values: times.map(value), isDashed };
  });
}

let latestOtlp = 0;

// Shows the metrics and draws the chosen one, or the first.
async function showOtlp(metrics, nowMillis) {
  byId("otlp").hidden = metrics.length === 0;
  if (metrics.length === 0) return;
  const chosen = metrics.find((metric) => metric.name === state.otlp) ?? metrics[0];
  markPressed("otlp-windows", "window", state.window);
  showOtlpList(metrics, chosen);
  const request = ++latestOtlp;
  const period = OTLP_SECONDS[state.window] > 3600 ? 180 : 60;
  const { bars, lines } = otlpQueries(chosen, period);
  setText("otlp-query", lines.map((line) => line.query).join("\n"));
  // Each query is evaluated at the end of a period and covers it.
  const end = Math.ceil(nowMillis / 1000 / period) * period;
  const start = end - OTLP_SECONDS[state.window] + period;
  try {
    const drawn = (await Promise.all(lines.map((line) => otlpLines(line, start, end, period)))).flat().slice(0, COLOURS);
    if (request !== latestOtlp) return;
    // The lines of several queries show the same series.
    drawn.forEach((line, index) => { line.className = `s${lines.length > 1 ? 0 : index}`; });
    otlpChart.show({ start: start - period, period, bars, lines: drawn });
    setText("otlp-legend", [...drawn.map((line) => line.name), chosen.unit].filter(Boolean).join(" · "));
  } catch (error) {
    if (request === latestOtlp) setText("otlp-legend", String(error.message));
  }
}

let shownOtlp = "";

function showOtlpList(metrics, chosen) {
  const key = JSON.stringify([metrics, chosen]);
  if (key === shownOtlp) return;
  shownOtlp = key;
  setText("otlp-name", chosen.name);
  const list = byId("otlp-list");
  list.replaceChildren();
  for (const metric of metrics) {
    const row = element("button", "row", undefined, list);
    element("span", "otlp-metric", metric.name, row).title = metric.name;
    const facts = [OTLP_KINDS[metric.kind], metric.temporality, metric.unit, `${formatCount(metric.series)} series`];
    element("span", "unit", facts.filter(Boolean).join(" · "), row);
    if (metric === chosen) row.setAttribute("aria-current", "true");
    row.onclick = () => select({ otlp: metric.name });
  }
}

byId("otlp-windows").onclick = (event) => event.target.dataset.window && select({ window: event.target.dataset.window });
