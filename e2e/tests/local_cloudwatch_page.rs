//! The page of the local CloudWatch in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test reads the environment, and fails by panicking"
)]

use std::{env, fs, path::Path, time::Duration};

use e2e::{Browser, GatewaySetup, GatewayStack, eventually};
use local_cloudwatch::{LocalCloudWatch, OtlpAccess, ServerOptions};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// Records the box of each text that is drawn on a canvas, in the canvas's pixels.
const RECORD_TEXTS: &str = r#"
    const drawnTexts = [];
    const fillText = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const size = this.measureText(text), at = this.getTransform(), { width, height } = this.canvas;
        const box = [
            at.a * (x - size.actualBoundingBoxLeft) + at.e, at.d * (y - size.actualBoundingBoxAscent) + at.f,
            at.a * (x + size.actualBoundingBoxRight) + at.e, at.d * (y + size.actualBoundingBoxDescent) + at.f,
        ];
        const fits = box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height;
        drawnTexts.push({ text, fits, box, width, height, isTest: this.canvas.closest('.test') !== null });
        return fillText.call(this, text, x, y);
    };
"#;

/// Draws values of each magnitude, and returns the labels of each chart.
const DRAW_MAGNITUDES: &str = r#"
    (async () => {
        const host = element("div", "chart test", undefined, byId("panels").parentElement);
        const chart = new Chart(host, "nothing"), charts = [];
        const sizes = [1246.5, 2493];
        for (let power = -9; power <= 18; power += 1) for (const factor of [1, 1.2465, 9.99]) sizes.push(factor * 10 ** power);
        const draw = async (high, low, bars) => {
            drawnTexts.length = 0;
            chart.show({ start: 0, period: 60, bars, lines: [{ name: "x", className: "s0", values: [low, null, high, 0, high] }] });
            await new Promise((resolve) => setTimeout(resolve, 0));
            charts.push({ high, low, texts: drawnTexts.filter((text) => text.isTest) });
        };
        // A new chart is drawn again when it learns its size.
        await draw(1, 0, true);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
        charts.length = 0;
        for (const size of sizes) {
            await draw(size, 0, true);
            await draw(size, 0, false);
            await draw(0, -size, false);
            await draw(size, -size, false);
        }
        const outer = host.getBoundingClientRect(), inner = host.querySelector("canvas").getBoundingClientRect();
        const isWithin = inner.left >= outer.left && inner.right <= outer.right && inner.bottom <= outer.bottom;
        host.remove();
        return { charts, isWithin };
    })()
"#;

fn clipped(texts: &[Value]) -> Vec<&Value> {
    texts.iter().filter(|text| text["fits"] != true).collect()
}

async fn wait_for(browser: &mut Browser, what: &str, condition: &str) {
    eventually(what, LIMIT, async || {
        if browser.evaluate(condition) == true { Ok(()) } else { Err(browser.evaluate("document.body.innerText")) }
    })
    .await;
}

async fn stack() -> GatewayStack {
    let gateway = GatewayStack::start(GatewaySetup::default()).await;
    let dimensions = json!([{ "Name": "ServiceName", "Value": "shop" }]);
    let datum = |name: &str, unit: &str, values: Value| json!({ "MetricName": name, "Unit": unit, "Values": values, "Dimensions": dimensions });
    let shop = json!([
        datum("4XXError", "Count", json!([1, 0, 0])),
        datum("5XXError", "Count", json!([1, 1, 0])),
        datum("Latency", "Milliseconds", json!([12.5, 1246.5, 30])),
        datum("RequestCount", "Count", json!([1, 1, 1])),
        datum("RequestsInProgress", "Count", json!([2, 3, 2, 3, 2, 3])),
    ]);
    let other = json!([datum("<b>Apples</b>", "None", json!([-0.00001, 1e15]))]);
    for (namespace, data) in [("Shop", shop), ("Another", other)] {
        assert_eq!(gateway.post("/metrics", json!({ "Namespace": namespace, "MetricData": data })).await.0, 202);
        gateway.flush(namespace).await;
    }
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_opens_on_the_busiest_metric_with_the_namespace_at_a_glance() {
    let gateway = stack().await;
    let url = gateway.cloudwatch.url();
    let mut browser = Browser::start();
    browser.prepare(RECORD_TEXTS);
    browser.set_screen(1280, 1000, false);
    browser.open(&url);
    wait_for(&mut browser, "the page has data", "byId('board').hidden === false").await;

    // The alphabet begins with another namespace, and with another metric.
    let headings =
        "[byId('above').innerText, byId('heading').innerText, byId('busiest').querySelector('h2').innerText]";
    assert_eq!(browser.evaluate(headings), json!(["Namespace", "Shop", "RequestCount"]));
    let panels = browser.evaluate(
        "panels.filter(({ card }) => card.checkVisibility()).map(({ card, chart }) =>
            [card.querySelector('h3').innerText, card.querySelector('.legend').innerText.replace(/\\s+/g, ' '),
             chart.data.lines.map((line) => line.values.findLast((value) => value !== null))])",
    );
    assert_eq!(
        panels,
        json!([
            ["Requests", "RequestCount per minute", [3]],
            ["Errors", "4XXError 5XXError per minute", [1, 2]],
            ["Latency", "p99 p50 Milliseconds", [1246.5, 30]],
            ["In flight", "RequestsInProgress average", [2.5]],
        ])
    );
    let drawn = browser.evaluate("drawnTexts");
    let drawn = drawn.as_array().unwrap();
    assert!(drawn.len() > 30 && drawn.iter().any(|text| text["text"] == "1,500"), "{drawn:?}");
    assert_eq!(clipped(drawn), Vec::<&Value>::new());

    let tip = browser.evaluate(
        "(() => {
            const { data, plot, tip } = panels[1].chart, { left, top } = plot.over.getBoundingClientRect();
            // A new minute may have begun since the data.
            const minute = data.lines[0].values.findLastIndex((value) => value !== null);
            const clientX = left + plot.valToPos(plot.data[0][minute], 'x');
            plot.over.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY: top + 5 }));
            return tip.checkVisibility() ? tip.innerText.replace(/\\s+/g, ' ') : null;
        })()",
    );
    assert!(tip.as_str().unwrap().ends_with(" 4XXError 1 5XXError 2"), "{tip}");

    // A choice replaces the small charts by those of one metric, and is in the address.
    browser.evaluate("panels[2].card.querySelector('.legend button').click()");
    wait_for(&mut browser, "Latency is shown", "byId('heading').innerText === 'Latency' && byId('panels').hidden")
        .await;
    assert_eq!(browser.evaluate("byId('percentiles').hidden"), false);
    assert_eq!(browser.evaluate("location.hash"), "#window=15m&namespace=Shop&metric=Latency");
    browser.evaluate(
        "[...document.querySelectorAll('#metric-list h4 button')].find((b) => b.innerText === 'Another').click()",
    );
    wait_for(&mut browser, "Another is shown", "byId('heading').innerText === 'Another'").await;
    assert_eq!(
        browser.evaluate("[byId('busiest').querySelector('h2').innerText, byId('panels').hidden]"),
        json!(["<b>Apples</b>", true])
    );

    let origin = format!("{url}/");
    let requests = browser.requests();
    let foreign: Vec<_> = requests.iter().filter(|request| !request.starts_with(&origin)).collect();
    assert_eq!(foreign, Vec::<&String>::new());
    assert!(requests.iter().any(|request| request.ends_with("/uPlot.iife.min.js")), "{requests:?}");
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_any_magnitude_fit_on_any_screen() {
    let gateway = stack().await;
    let mut browser = Browser::start();
    browser.prepare(RECORD_TEXTS);
    for (name, width, height, is_dark) in
        [("desk", 1280, 1000, false), ("phone", 412, 915, false), ("dark", 412, 915, true)]
    {
        browser.set_screen(width, height, is_dark);
        browser.open("about:blank");
        browser.open(&gateway.cloudwatch.url());
        wait_for(&mut browser, "the page has data", "document.querySelector('#board:not([hidden]) canvas') !== null")
            .await;
        assert_eq!(
            browser.evaluate("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "{name}: the page is too wide"
        );

        let shot = browser.screenshot();
        assert!(shot.starts_with(b"\x89PNG") && shot.len() > 10_000, "{name}: {} bytes", shot.len());
        if let Some(target) = env::var_os("UPDATE_SCREENSHOTS") {
            fs::write(Path::new(&target).join(format!("local-cloudwatch-{name}.png")), shot).unwrap();
        }

        let magnitudes = browser.evaluate(DRAW_MAGNITUDES);
        assert_eq!(magnitudes["isWithin"], true, "{name}");
        let charts = magnitudes["charts"].as_array().unwrap();
        assert_eq!(charts.len(), 86 * 4);
        for chart in charts {
            let texts = chart["texts"].as_array().unwrap();
            assert_eq!(clipped(texts), Vec::<&Value>::new(), "{name}: {} to {}", chart["low"], chart["high"]);
            // The labels of values are as different as the values.
            let mut labels: Vec<_> = texts.iter().map(|text| text["text"].as_str().unwrap()).collect();
            labels.retain(|label| !label.contains(':'));
            let count = labels.len();
            labels.sort_unstable();
            labels.dedup();
            assert!(count >= 3 && labels.len() == count, "{name}: {chart}");
        }
        assert_eq!(browser.errors(), Vec::<Value>::new(), "{name}");
    }
}

/// Exports three minutes of two metrics from the page, whose policy allows only its own server.
const EXPORT: &str = r#"
    (async () => {
        const minute = Math.floor(Date.now() / 60000) * 60000;
        const times = [0, 1, 2].map((ago) => minute - ago * 60000);
        const point = (millis, more) => ({ timeUnixNano: `${millis}000000`, startTimeUnixNano: `${millis - 60000}000000`, ...more });
        const histogram = { count: "4", sum: 12, scale: 0, zeroCount: "0", positive: { offset: 1, bucketCounts: ["4"] }, min: 2.5, max: 4 };
        const metrics = [
            { name: "a \"quoted\" <b>name</b>", sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: times.map((at, n) => point(at, { asInt: String(7 - n) })) } },
            { name: "http.server.request.duration", unit: "s", exponentialHistogram: { aggregationTemporality: 1, dataPoints: times.map((at) => point(at, histogram)) } },
        ];
        const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
        return (await fetch("/v1/metrics", { method: "POST", headers: { "content-type": "application/json" }, body })).text();
    })()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn otlp_metrics_are_listed_and_drawn_from_queries() {
    let options = ServerOptions { otlp_access: OtlpAccess::Open, ..ServerOptions::default() };
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let mut browser = Browser::start();
    browser.prepare(RECORD_TEXTS);
    browser.set_screen(1280, 1000, false);
    browser.open(&cloudwatch.url());
    assert_eq!(browser.evaluate("byId('otlp').hidden"), true);
    assert_eq!(browser.evaluate(EXPORT), "{}");
    wait_for(&mut browser, "the metric is drawn", "otlpChart.data?.lines.length === 1").await;
    assert_eq!(browser.evaluate("[byId('empty').hidden, byId('board').hidden]"), json!([true, true]));
    assert_eq!(
        browser.evaluate("byId('otlp-list').innerText"),
        "a \"quoted\" <b>name</b>\nsum · delta · 1 series\nhttp.server.request.duration\n\
         exponential histogram · delta · s · 1 series"
    );
    let values = "otlpChart.data.lines.map((line) => [line.name, line.values.filter((value) => value !== null)])";
    // A query covers the minute before its time, so the latest points are in the last period or the one before.
    assert_eq!(browser.evaluate(values), json!([["increase", [5, 6, 7]]]));
    assert_eq!(browser.evaluate("byId('otlp-query').innerText"), r#"sum(increase({"a \"quoted\" <b>name</b>"}[60s]))"#);

    browser.evaluate("byId('otlp-list').children[1].click()");
    wait_for(&mut browser, "percentiles are drawn", "otlpChart.data.lines.length === 2").await;
    assert_eq!(browser.evaluate("location.hash"), "#window=15m&otlp=http.server.request.duration");
    let found = browser.evaluate(values);
    // All values are in the bucket from 2 to 4.
    let expected = json!([["p99", vec![2_f64.powf(1.99); 3]], ["p50", vec![2_f64.sqrt() * 2.0; 3]]]);
    for (found, expected) in found.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
        assert_eq!(found[0], expected[0]);
        for (found, expected) in found[1].as_array().unwrap().iter().zip(expected[1].as_array().unwrap()) {
            assert!((found.as_f64().unwrap() - expected.as_f64().unwrap()).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(found[1].as_array().unwrap().len(), 3);
    }
    assert_eq!(browser.evaluate("byId('otlp-legend').innerText"), "p99 · p50 · s");
    let drawn = browser.evaluate("drawnTexts");
    assert_eq!(clipped(drawn.as_array().unwrap()), Vec::<&Value>::new());
    for (width, height) in [(412, 915), (1280, 1000)] {
        browser.set_screen(width, height, true);
        assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
    }
    assert_eq!(browser.errors(), Vec::<Value>::new());
}
