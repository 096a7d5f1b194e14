//! A headless Chromium with one page, driven through the DevTools protocol.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::installation;

/// Timeout for an answer of the browser.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser that ends when dropped. Its methods block.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// Events that have arrived.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with a blank page.
    ///
    /// # Panics
    /// Panics if Chromium does not start.
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a folder");
        // The protocol uses the descriptors 3 and 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(installation::chromium())
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in output.split(0) {
                let Ok(message) = message else { break };
                if sender.send(serde_json::from_slice(&message).expect("JSON")).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { process, input, messages, session: None, last_id: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(session["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sets the size of the page and its colour scheme.
    pub fn set_screen(&mut self, width: u32, height: u32, is_dark: bool) {
        let is_phone = width < 600;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = json!({ "name": "prefers-color-scheme", "value": if is_dark { "dark" } else { "light" } });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [scheme] }));
    }

    /// Runs a script in each document before its own scripts.
    pub fn prepare(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Opens an address, and waits until the page and its scripts are loaded.
    ///
    /// # Panics
    /// Panics if the page cannot be loaded.
    pub fn open(&mut self, url: &str) {
        let result = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(result["errorText"], Value::Null, "{url}");
        self.evaluate(
            "new Promise((loaded) => {
                if (document.readyState === 'complete') loaded();
                else addEventListener('load', loaded);
            }).then(() => null)",
        );
    }

    /// Returns the value of an expression in the page. Waits for a promise.
    ///
    /// # Panics
    /// Panics if the expression throws an exception.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut result = self.call("Runtime.evaluate", arguments);
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].take()
    }

    /// Returns a PNG of what the page shows.
    ///
    /// # Panics
    /// Panics if the browser takes no picture.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        BASE64_STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
    }

    /// Returns the addresses that the page has requested, except data URLs.
    pub fn requests(&mut self) -> Vec<String> {
        self.collect();
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = sent.filter_map(|event| event["params"]["request"]["url"].as_str());
        urls.filter(|url| !url.starts_with("data:")).map(str::to_owned).collect()
    }

    /// Returns the exceptions of scripts, and the errors and warnings in the console, such as blocked resources.
    pub fn errors(&mut self) -> Vec<Value> {
        self.collect();
        let is_error = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => matches!(event["params"]["type"].as_str(), Some("error" | "warning")),
            Some("Log.entryAdded") => matches!(event["params"]["entry"]["level"].as_str(), Some("error" | "warning")),
            _ => false,
        };
        self.events.iter().filter(is_error).map(|event| event["params"].clone()).collect()
    }

    /// Takes the events that have arrived.
    fn collect(&mut self) {
        // The answer follows the events that the browser has sent before it.
        self.call("Runtime.evaluate", json!({ "expression": "0" }));
    }

    fn call(&mut self, method: &str, arguments: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": arguments });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).expect("the browser runs");
        loop {
            match self.messages.recv_timeout(LIMIT) {
                Ok(mut answer) if answer["id"] == self.last_id => {
                    assert_eq!(answer["error"], Value::Null, "{method}");
                    return answer["result"].take();
                }
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout) => panic!("the browser did not answer {method} within {LIMIT:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser ended before it answered {method}"),
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
