//! The status page in a browser: on a desktop, on a phone and in dark mode.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test reads the environment, and fails by panicking"
)]

use std::{env, fs, path::Path, time::Duration};

use e2e::{Browser, GatewaySetup, GatewayStack, eventually, installation};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// Draws values of each magnitude, and returns the labels of each chart with their boxes and the size of the chart.
const DRAW_MAGNITUDES: &str = r#"
    (() => {
        const highest = [1246.5, 2493, -5];
        for (let power = -9; power <= 18; power += 1) for (const factor of [1, 1.2465, 9.99]) highest.push(factor * 10 ** power);
        const charts = highest.map((value) => {
            chart("chart-held", [{ start: 0, held: value }, { start: 60, held: value / 2 }], "held");
            const svg = byId("chart-held").querySelector("svg"), { width, height } = svg.viewBox.baseVal;
            const texts = [...svg.querySelectorAll("text")].map((text) => {
                const box = text.getBBox();
                const fits = box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
                return { text: text.textContent, fits, box: [box.x, box.y, box.x + box.width, box.y + box.height], width, height };
            });
            return { value, texts };
        });
        const sizes = highest.flatMap((size) => [size, -size]);
        return { charts, numbers: sizes.map((size) => ({ size, text: number(size) })) };
    })()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_was_published() {
    let gateway = GatewayStack::start(GatewaySetup::default()).await;
    for (name, service, values) in
        [("Latency", "checkout", 40), ("Latency", "<b>cart</b>", 25), ("Requests", "checkout", 12)]
    {
        let values: Vec<_> = (0..values).collect();
        let datum =
            json!({ "MetricName": name, "Values": values, "Dimensions": [{ "Name": "Service", "Value": service }] });
        assert_eq!(gateway.post("/metrics", json!({ "Namespace": "MyApp", "MetricData": [datum] })).await.0, 202);
    }
    assert_eq!(gateway.post("/metrics", "[]").await.0, 400);
    gateway.flush("MyApp").await;

    let url = format!("{}/", gateway.url());
    let mut browser = Browser::start();
    let docs = installation::root().join("docs/gateway.png");
    for (name, width, height, is_dark) in
        [("desk", 1120, 800, false), ("phone", 412, 915, false), ("dark", 412, 915, true)]
    {
        browser.set_screen(width, height, is_dark);
        browser.open("about:blank");
        browser.open(&url);
        eventually("the page shows the status", LIMIT, async || {
            let page = browser.evaluate("document.documentElement.outerHTML").as_str().unwrap().to_owned();
            let texts = [
                "class=\"live on\"",
                "<strong id=\"published\" class=\"\">77</strong>",
                "MyApp Latency {Service=checkout}",
                // Text from clients is escaped.
                "MyApp Latency {Service=&lt;b&gt;cart&lt;/b&gt;}",
                "about $0.90 per month",
                "3 accepted, 1 refused",
                "<rect ",
            ];
            let missing = texts.iter().find(|text| !page.contains(**text));
            missing.map_or(Ok(()), |text| Err(format!("the page does not contain {text}:\n{page}")))
        })
        .await;
        let shot = browser.screenshot();
        assert!(shot.starts_with(b"\x89PNG") && shot.len() > 10_000, "{name}: {} bytes", shot.len());
        if let Some(target) = env::var_os("UPDATE_SCREENSHOTS") {
            fs::write(Path::new(&target).join(format!("{name}.png")), &shot).unwrap();
            if name == "desk" {
                fs::write(&docs, &shot).unwrap();
            }
        }
        labels_of_any_magnitude_fit(name, &browser.evaluate(DRAW_MAGNITUDES));
    }
    assert!(docs.is_file(), "{} does not exist; run this test with UPDATE_SCREENSHOTS set to a folder", docs.display());

    let requests = browser.requests();
    let foreign: Vec<_> = requests.iter().filter(|request| !request.starts_with(&url)).collect();
    assert_eq!(foreign, Vec::<&String>::new(), "the page requests an external resource");
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn labels_of_any_magnitude_fit(name: &str, drawn: &Value) {
    let charts = drawn["charts"].as_array().unwrap();
    assert_eq!(charts.len(), 87);
    for chart in charts {
        let texts = chart["texts"].as_array().unwrap();
        assert!(texts.len() >= 5, "{name}: {chart}");
        let clipped: Vec<_> = texts.iter().filter(|text| text["fits"] != true).collect();
        assert_eq!(clipped, Vec::<&Value>::new(), "{name}: {}", chart["value"]);
    }
    assert!(charts.iter().any(|chart| chart["texts"][1]["text"] == "1,246.5"), "{name}");
    for number in drawn["numbers"].as_array().unwrap() {
        assert!(number["text"].as_str().unwrap().len() <= 12, "{name}: {number}");
    }
}
