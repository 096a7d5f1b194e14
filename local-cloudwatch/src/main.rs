//! The program: a CloudWatch for one machine.

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use local_cloudwatch::{Key, LocalCloudWatch, Options};
use tokio::signal::unix::{SignalKind, signal};

/// A CloudWatch for one machine: takes PutMetricData, checks it as AWS does, shows it at http://ADDRESS.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:4582", env = "LOCAL_CLOUDWATCH_LISTEN")]
    listen: SocketAddr,
    /// The only region to accept; any by default.
    #[arg(long, env = "LOCAL_CLOUDWATCH_REGION")]
    region: Option<String>,
    /// The access key that may sign.
    #[arg(long, default_value = "local", env = "LOCAL_CLOUDWATCH_ACCESS_KEY_ID")]
    access_key_id: String,
    /// Its secret.
    #[arg(long, default_value = "local", env = "LOCAL_CLOUDWATCH_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
    /// Print nothing about calls.
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        listen: arguments.listen,
        region: arguments.region,
        keys: vec![Key::new(arguments.access_key_id, arguments.secret_access_key)],
        is_quiet: arguments.quiet,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let cloudwatch = LocalCloudWatch::start(options)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("--listen {}: {error}", arguments.listen)))?;
    println!("local CloudWatch on {}", cloudwatch.url());
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    cloudwatch.shutdown().await;
    Ok(())
}
