//! The `local-cloudwatch` program.

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use local_cloudwatch::{AccessKey, LocalCloudWatch, OtlpAccess, OtlpLimits, ServerOptions};
use tokio::signal::unix::{SignalKind, signal};

/// A CloudWatch server for one machine. Checks PutMetricData as AWS does and shows the metrics at http://ADDRESS.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:4582", env = "LOCAL_CLOUDWATCH_LISTEN")]
    listen: SocketAddr,
    /// The only region to accept; every region by default.
    #[arg(long, env = "LOCAL_CLOUDWATCH_REGION")]
    region: Option<String>,
    /// The ID of the accepted access key.
    #[arg(long, default_value = "local", env = "LOCAL_CLOUDWATCH_ACCESS_KEY_ID")]
    access_key_id: String,
    /// The secret of the accepted access key.
    #[arg(long, default_value = "local", env = "LOCAL_CLOUDWATCH_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: String,
    /// Accept OTLP requests without a signature.
    #[arg(long, env = "LOCAL_CLOUDWATCH_UNSIGNED_OTLP")]
    unsigned_otlp: bool,
    /// Maximum length of an OTLP request in bytes, uncompressed.
    #[arg(long, default_value_t = OtlpLimits::default().max_request_bytes, env = "LOCAL_CLOUDWATCH_OTLP_MAX_REQUEST_BYTES")]
    otlp_max_request_bytes: usize,
    /// Don't print calls.
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let options = ServerOptions {
        listen: arguments.listen,
        region: arguments.region,
        keys: vec![AccessKey::new(arguments.access_key_id, arguments.secret_access_key)],
        is_quiet: arguments.quiet,
        otlp_access: if arguments.unsigned_otlp { OtlpAccess::Open } else { OtlpAccess::Signature },
        otlp_limits: OtlpLimits { max_request_bytes: arguments.otlp_max_request_bytes, ..OtlpLimits::default() },
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let cloudwatch = LocalCloudWatch::start(options).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}; choose another --listen", arguments.listen))
    })?;
    println!("local CloudWatch listening on {}", cloudwatch.url());
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    cloudwatch.shutdown().await;
    Ok(())
}
