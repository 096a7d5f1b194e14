"use strict";
// Data is only ever inserted as text nodes.
const SVG = "http://www.w3.org/2000/svg", byId = (id) => document.getElementById(id);
const append = (parent, name, text, className) => {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  parent.append(node);
  return node;
};
const setText = (id, text, className) => { byId(id).textContent = text; byId(id).className = className || ""; };
const compact = Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const number = (value) => {
  const size = Math.abs(value);
  if (size >= 1e15 || size && size < 1e-4) return (+value.toPrecision(3)).toExponential();
  return size >= 1e4 ? compact.format(value) : (+value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 9 });
};
const timeOfDay = (millis, seconds) => new Date(millis).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23" });
const duration = (seconds) => seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
const bytes = (value) => value < 1e4 ? `${value} B` : value < 1048576 ? `${Math.round(value / 1024)} KiB` : `${(value / 1048576).toFixed(1)} MiB`;

function chart(id, minutes, key, isBad) {
  const host = byId(id), draw = (parent, name, attributes) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };
  const width = Math.max(280, host.clientWidth), height = 120, bottom = 18, high = Math.max(1, ...minutes.map((minute) => minute[key]));
  host.textContent = "";
  const svg = draw(host, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${key} per minute in the last hour, at most ${high}` });
  const heightOf = (part) => 8 + (1 - part) * (height - bottom - 8);
  const labels = [0, .5, 1].filter((part) => part !== .5 || high > 1).map((part) => {
    const label = draw(svg, "text", { y: heightOf(part) + 4, "text-anchor": "end" });
    label.textContent = number(high * part);
    return label;
  });
  // The axis is as wide as its widest label.
  const left = Math.ceil(Math.max(...labels.map((label) => label.getComputedTextLength()))) + 8;
  for (const label of labels) label.setAttribute("x", left - 6);
  for (const part of [0, .5, 1]) draw(svg, "line", { x1: left, x2: width, y1: heightOf(part), y2: heightOf(part) });
  const step = (width - left) / 60, end = minutes.length ? minutes[minutes.length - 1].start : 0;
  for (const minute of minutes) {
    const tall = minute[key] / high * (height - bottom - 8), x = width - ((end - minute.start) / 60 + 1) * step;
    if (x < left || tall <= 0) continue;
    const bar = draw(svg, "rect", { x: x + 1, y: height - bottom - tall, width: Math.max(1, step - 2), height: tall, rx: 1.5 });
    if (isBad && isBad(minute)) bar.setAttribute("class", "bad");
    draw(bar, "title", {}).textContent = `${timeOfDay(minute.start * 1000)}: ${minute[key]}`;
  }
  if (end) for (const ago of [0, 30, 59]) draw(svg, "text", { x: width - ago * step, y: height - 4, "text-anchor": ago === 0 ? "end" : ago === 59 ? "start" : "middle" }).textContent = timeOfDay((end - ago * 60) * 1000);
}

function showLines(id, list, none) {
  byId(id).textContent = "";
  if (!list.length) return void append(byId(id), "li", none, "none");
  for (const line of list) {
    const item = document.createElement("li");
    append(item, "time", timeOfDay(line.time, true));
    item.append(line.text);
    byId(id).append(item);
  }
}

function show(status) {
  const states = { ready: ["on", "publishing"], buffer_full: ["off", "buffer full"], no_receiver: ["off", "no receiver"] };
  const [className, text] = states[status.state] || ["off", status.state];
  byId("live").className = `live ${className}`;
  byId("live").lastChild.textContent = text;
  const receiver = status.receiver, gateway = status.gateway;
  if (!receiver) return;
  const counts = receiver.counts, otlp = receiver.otlp, isOtlpOnly = Boolean(otlp && otlp.is_only);
  const drops = (prefix) => Object.entries(counts).filter(([name, count]) => name.startsWith(prefix) && count).map(([name, count]) => [name.slice(prefix.length), count]);
  const total = (reasons) => reasons.reduce((sum, [, count]) => sum + count, 0);
  const since = (seconds) => seconds === null ? "none yet" : `last ${duration(seconds)} ago`;
  // The service that the tiles show.
  const of = isOtlpOnly ? "otlp." : "", shown = isOtlpOnly ? otlp : receiver;
  const reasons = drops(`${of}dropped.`), dropped = total(reasons), share = shown.held_bytes / shown.buffer_limit_bytes;
  byId("location").textContent = [receiver.region, receiver.host].filter(Boolean).join(" · ");
  setText("published", number(counts[`${of}published`]));
  setText("success", since(shown.seconds_since_success));
  setText("held", number(shown.held), share > .75 ? "bad" : share > .25 ? "warn" : "");
  setText("buffer", `${bytes(shown.held_bytes)} of ${bytes(shown.buffer_limit_bytes)}`);
  setText("dropped", number(dropped), dropped ? "bad" : "");
  setText("reasons", reasons.map(([name, count]) => `${name.replaceAll("_", " ")} ${number(count)}`).join(", ") || "none");
  setText("series", number(receiver.series));
  setText("cost", `about $${receiver.dollars_per_month.toFixed(2)} per month`);
  chart("chart-published", receiver.minutes, "published", (minute) => minute.dropped > 0);
  chart("chart-held", receiver.minutes, "held");
  byId("largest").textContent = "";
  for (const series of receiver.biggest_series) {
    const row = append(byId("largest"), "tr", "");
    append(row, "td", series.name);
    append(row, "td", number(series.values));
  }
  if (!receiver.biggest_series.length) append(append(byId("largest"), "tr", ""), "td", "Nothing published yet.", "none");
  const refused = gateway.refused_invalid + gateway.refused_unauthorized + gateway.refused_buffer_full + gateway.refused_no_receiver;
  const skew = receiver.clock_skew_millisecond, expires = receiver.credentials.expires;
  const otlpDetails = otlp ? [
    ["OTLP", `${number(counts["otlp.published"])} published, ${number(otlp.held)} held (${bytes(otlp.held_bytes)} of ${bytes(otlp.buffer_limit_bytes)}), ${number(total(drops("otlp.dropped.")))} dropped`],
    ["OTLP requests", `${number(counts["otlp.requests"])}, ${number(counts["otlp.retried"])} retried, ${number(counts["otlp.throttled"])} throttled; ${since(otlp.seconds_since_success)}`],
    ...otlp.series ? [["OTLP series", `${number(otlp.series)} with totals`]] : [],
  ] : [];
  const gaps = [["data points rejected", gateway.otlp_rejected], ["gaps", gateway.otlp_gaps], ["streams dropped", gateway.otlp_dropped_streams]].filter(([, count]) => count);
  byId("details").textContent = "";
  for (const [name, value] of [
    ["Posts", `${number(gateway.accepted)} accepted, ${number(refused)} refused`],
    ...gaps.length ? [["Posts of OTLP", gaps.map(([name, count]) => `${number(count)} ${name}`).join(", ")]] : [],
    ...otlpDetails,
    ...isOtlpOnly ? [] : [["Requests to AWS", `${number(counts.requests)}, ${number(counts.retried)} retried, ${number(counts.throttled)} throttled`],
    ["Per month", `${number(receiver.requests_per_month)} requests, ${number(receiver.series)} series`]],
    ["Credentials", receiver.credentials.source + (expires ? `, until ${timeOfDay(expires)}` : "")],
    ["Clock", Math.abs(skew) < 1 ? "accurate" : `corrected by ${skew} ms`],
    ["Own namespace", receiver.namespace],
    ["Publishes every", duration(receiver.publish_interval_millisecond / 1000)],
    ["Uptime", duration(Math.round((receiver.time - receiver.started) / 1000))],
    ["Version", receiver.version],
  ]) {
    append(byId("details"), "dt", name);
    append(byId("details"), "dd", value);
  }
  showLines("publications", receiver.publications, "None since the receiver started.");
  showLines("errors", receiver.errors, "None since the receiver started.");
}

async function refresh() {
  try {
    show(await (await fetch("status", { cache: "no-store" })).json());
  } catch {
    byId("live").className = "live off";
    byId("live").lastChild.textContent = "gateway unreachable";
  }
  setTimeout(refresh, 2000);
}
refresh();
