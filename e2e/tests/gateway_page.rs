//! The status page in a browser: on a desktop, on a phone and in dark mode.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test reads the environment, and fails by panicking"
)]

use std::{env, fs, path::Path, process::Command};

use e2e::{GatewaySetup, GatewayStack, installation};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// Virtual time of the page, which is enough for several requests to /status.
const VIRTUAL_TIME: &str = "--virtual-time-budget=6000";

/// Runs the browser and returns its output.
async fn browse(profile: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(installation::chromium());
    let folder = format!("--user-data-dir={}", profile.display());
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", VIRTUAL_TIME, &folder])
        .args(arguments);
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

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

    let folder = TempDir::new().unwrap();
    let url = format!("{}/", gateway.url());
    let page = browse(folder.path(), &["--dump-dom", &url]).await;
    for text in [
        "class=\"live on\"",
        "<strong id=\"published\" class=\"\">77</strong>",
        "MyApp Latency {Service=checkout}",
        // Text from clients is escaped.
        "MyApp Latency {Service=&lt;b&gt;cart&lt;/b&gt;}",
        "about $0.90 per month",
        "3 accepted, 1 refused",
        "<rect ",
    ] {
        assert!(page.contains(text), "the page does not contain {text}:\n{page}");
    }
    let external = ["src=\"http", "href=\"http", "@import", "url(http"].iter().find(|text| page.contains(**text));
    assert_eq!(external, None, "the page loads an external resource");

    let docs = installation::root().join("docs/gateway.png");
    for (name, size, is_dark) in [("desk", "1120,800", false), ("phone", "412,915", false), ("dark", "412,915", true)] {
        let shot = folder.path().join(format!("{name}.png"));
        let (shot_argument, size) = (format!("--screenshot={}", shot.display()), format!("--window-size={size}"));
        let mut arguments = vec![shot_argument.as_str(), size.as_str(), url.as_str()];
        if is_dark {
            arguments.push("--blink-settings=preferredColorScheme=0");
        }
        browse(folder.path(), &arguments).await;
        let picture = fs::read(&shot).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{name}: {} bytes", picture.len());
        if let Some(target) = env::var_os("UPDATE_SCREENSHOTS") {
            fs::copy(&shot, Path::new(&target).join(format!("{name}.png"))).unwrap();
            if name == "desk" {
                fs::copy(&shot, &docs).unwrap();
            }
        }
    }
    assert!(docs.is_file(), "{} does not exist; run this test with UPDATE_SCREENSHOTS set to a folder", docs.display());
}
