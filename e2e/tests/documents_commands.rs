//! The commands in the documents print what the documents show, with the configuration of the demo, and every counter
//! of the modules is documented.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test runs in real time, and fails by panicking"
)]

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{ClientRequest, Connection, eventually, installation, table};
use local_cloudwatch::{LocalCloudWatch, ServerOptions};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// The documents whose commands are run.
const DOCUMENTS: [&str; 4] = ["README.md", "docs/get-started.md", "docs/gateway.md", "docs/operations.md"];

/// The programs that the test runs. Other commands build, or need Docker or an AWS account.
const PROGRAMS: [&str; 4] = ["curl", ".venv/bin/aws", "aws", "for"];

/// A running demo: Envoy with envoy/metrics.yaml on free ports.
struct Demo {
    process: Child,
    cloudwatch: LocalCloudWatch,
    /// The addresses in the documents and their replacements.
    addresses: Vec<(&'static str, String)>,
    folder: TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Demo {
    async fn start() -> Self {
        let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
        let free_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (gateway, main, admin) = (free_port(), free_port(), free_port());
        let configuration = fs::read_to_string(installation::root().join("envoy/metrics.yaml")).unwrap();
        let configuration = [
            ("port_value: 3000", format!("port_value: {gateway}")),
            ("port_value: 18000", format!("port_value: {main}")),
            ("port_value: 8001", format!("port_value: {admin}")),
            ("port_value: 4582", format!("port_value: {}", cloudwatch.address().port())),
            ("127.0.0.1:4582", cloudwatch.address().to_string()),
        ]
        .iter()
        .fold(configuration, |configuration, (from, to)| {
            assert!(configuration.contains(from), "{from} is not in envoy/metrics.yaml");
            configuration.replace(from, to)
        });
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("envoy.yaml"), configuration).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(installation::envoy())
            .arg("--config-path")
            .arg(folder.path().join("envoy.yaml"))
            .args(["--use-dynamic-base-id", "--concurrency", "2"])
            // The configuration names the modules without a folder.
            .current_dir(installation::modules())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let addresses = vec![
            ("localhost:3000", format!("localhost:{gateway}")),
            ("localhost:18000", format!("localhost:{main}")),
            ("localhost:8001", format!("localhost:{admin}")),
            ("127.0.0.1:4582", cloudwatch.address().to_string()),
        ];
        let demo = Self { process, cloudwatch, addresses, folder };
        let gateway = SocketAddr::from(([127, 0, 0, 1], gateway));
        eventually("the gateway is ready", LIMIT, async || {
            match Connection::new(gateway).send(&ClientRequest::get("localhost", "/healthcheck")).await {
                Ok(response) if response.status == 200 => Ok(()),
                Ok(response) => Err(format!("{}\n{}", response.status, demo.log())),
                Err(error) => Err(format!("{error}\n{}", demo.log())),
            }
        })
        .await;
        demo
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Runs commands of a document in one shell and returns their output.
    fn run(&self, commands: &str) -> Result<String, String> {
        let script = self.addresses.iter().fold(commands.to_owned(), |script, (from, to)| script.replace(from, to));
        let script = script.replace(".venv/bin/aws", installation::aws().to_str().unwrap());
        let programs = format!(
            "{}:{}",
            installation::aws().parent().unwrap().display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let output = Command::new("bash")
            .args(["-e", "-c", &script])
            .env("PATH", programs)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        Err(format!("{}\n{printed}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// A command of a document, and the output that the document shows.
struct Example {
    /// File and line, for messages.
    position: String,
    command: String,
    output: String,
}

/// Returns the examples in each `console` block.
fn blocks(document: &str) -> Vec<Vec<Example>> {
    let text = fs::read_to_string(installation::root().join(document)).unwrap();
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((_, line)) = lines.next() {
        if line.trim() != "```console" {
            continue;
        }
        let mut block: Vec<Example> = Vec::new();
        for (number, line) in lines.by_ref().take_while(|(_, line)| line.trim() != "```") {
            let line = line.trim();
            let continues =
                block.last().is_some_and(|example| example.command.ends_with('\\') || has_open_quote(example));
            match (line.strip_prefix("$ "), block.last_mut()) {
                (Some(command), _) => block.push(Example {
                    position: format!("{document}:{number}"),
                    command: command.to_owned(),
                    output: String::new(),
                }),
                (None, Some(example)) if continues => {
                    example.command.push('\n');
                    example.command.push_str(line);
                }
                (None, Some(example)) => example.output.push_str(line),
                (None, None) => panic!("{document}:{number}: output without a command"),
            }
        }
        blocks.push(block);
    }
    blocks
}

/// Returns true if a quoted argument of the command continues on the next line.
fn has_open_quote(example: &Example) -> bool {
    example.command.matches('\'').count() % 2 == 1
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_print_what_the_documents_show() {
    let demo = Demo::start().await;
    let mut run = 0;
    for document in DOCUMENTS {
        // Exported variables apply to the following blocks.
        let mut exports = String::new();
        for block in blocks(document) {
            if block.iter().any(|example| example.command.contains("docker")) {
                continue;
            }
            for Example { position, command, output } in block {
                if command.starts_with("export ") {
                    exports.push_str(&command);
                    exports.push('\n');
                }
                if !PROGRAMS.iter().any(|program| command.starts_with(&format!("{program} "))) {
                    continue;
                }
                let printed = demo.run(&format!("{exports}{command}"));
                let printed = printed.unwrap_or_else(|error| panic!("{position}: {command}\n{error}\n{}", demo.log()));
                if !output.is_empty() {
                    assert_eq!(without_spaces(&printed), without_spaces(&output), "{position}: {command}");
                }
                run += 1;
            }
        }
    }
    assert!(run >= 10, "only {run} commands were run");
    // The data that get-started.md posts is published.
    eventually("the posts are published", LIMIT, async || {
        let totals = demo.cloudwatch.totals("MyApp");
        let has = |name: &str| totals.iter().any(|total| total.metric_name == name);
        if has("Requests") && has("Errors") { Ok(()) } else { Err(format!("{totals:?}")) }
    })
    .await;
    let totals = demo.cloudwatch.totals("AWSCloudWatchProxyWasm-dev");
    assert!(totals.iter().any(|total| total.metric_name == "RequestCount"), "{totals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_of_the_demo_is_varied_and_counted_exactly() {
    let demo = Demo::start().await;
    let script = installation::root().join("demo_load.py");
    let printed = demo.run(&format!("python3 {} --address localhost:18000 --seconds 6", script.display())).unwrap();
    let answered = printed.split_once("ended. ").and_then(|(_, rest)| rest.split_once(" requests")).unwrap().0;
    let answered: f64 = answered.parse().unwrap();
    assert!(answered > 100.0, "{printed}");
    eventually("every request is published in each dimension set", LIMIT, async || {
        let totals = demo.cloudwatch.totals("AWSCloudWatchProxyWasm-dev");
        let counts = totals.iter().filter(|total| total.metric_name == "RequestCount");
        let sum = |dimension: &str, dimensions: usize| -> f64 {
            let in_set = |total: &&local_cloudwatch::SeriesTotal| {
                total.dimensions.len() == dimensions && total.dimensions.contains_key(dimension)
            };
            counts.clone().filter(in_set).map(|total| total.sum).sum()
        };
        let sums = [sum("host", 4), sum("ServiceName", 1), sum("path_template", 2)];
        if sums == [answered; 3] { Ok(()) } else { Err(format!("{sums:?} of {answered}")) }
    })
    .await;
    let totals = demo.cloudwatch.totals("AWSCloudWatchProxyWasm-dev");
    let values = |name: &str| -> BTreeSet<String> {
        totals.iter().filter_map(|total| total.dimensions.get(name)).cloned().collect()
    };
    assert_eq!(values("host").len(), 3, "{:?}", values("host"));
    assert!(values("method").len() >= 4, "{:?}", values("method"));
    assert_eq!(values("status"), ["200", "404", "503"].map(String::from).into());
    assert!(values("path").len() >= 8, "{:?}", values("path"));
    let slowest = totals.iter().filter(|total| total.metric_name == "Latency").map(|total| total.max);
    assert!(slowest.fold(0.0, f64::max) > 300.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_counter_is_documented_with_its_kind() {
    const PREFIX: &str = "wasmcustom.";
    let demo = Demo::start().await;
    // The sender's stats exist once its listener exists. Envoy shows the type of a stat only in the Prometheus format.
    let page = demo.run("curl -sf 'localhost:8001/stats?filter=acpw'").unwrap();
    let shown: BTreeSet<_> =
        page.lines().filter_map(|line| line.split_once(':')?.0.strip_prefix(PREFIX)).map(str::to_owned).collect();
    let types = demo.run("curl -sf 'localhost:8001/stats/prometheus?filter=acpw'").unwrap();
    let types: BTreeSet<_> = types.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
    let operations = fs::read_to_string(installation::root().join("docs/operations.md")).unwrap();
    let rows = table(&operations, "| name | kind |");
    let documented: BTreeSet<_> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, shown);
    assert_eq!(rows.len(), documented.len(), "a counter has two rows");
    for row in rows {
        let name = row[0].replace('.', "_");
        assert!(types.contains(&format!("{name} {}", row[1])), "{name} is not a {}: {types:#?}", row[1]);
    }
}
