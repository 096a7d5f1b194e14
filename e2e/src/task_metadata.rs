//! An ECS task metadata endpoint for tests.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

/// The base path of the endpoint.
const BASE: &str = "/v4/0a1b2c3d4e5f60718293a4b5c6d7e8f9-2531612879";

const WEB: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9-0527074092";
const ENVOY: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9-2531612879";

/// The behaviour of the endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataBehaviour {
    /// Responds as the ECS agent does.
    #[default]
    Normal,
    /// Never responds.
    Hang,
    /// Responds with this status.
    Status(u16),
    /// Responds with bytes that are not JSON.
    Garbage,
    /// Responds with this document.
    Document(&'static str),
}

/// A server on a free port with the metadata of a task of the service `checkout-web` in the cluster `shop`. The task
/// has 0.5 vCPU and 512 MiB. Its container `web` uses 1/8 vCPU and 96 MiB, and `envoy` uses 1/16 vCPU and 32 MiB. The
/// task receives 1,000 bytes per second. Dropping the server stops it.
#[derive(Debug)]
pub struct TaskMetadata {
    address: SocketAddr,
    state: Arc<Mutex<EndpointState>>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct EndpointState {
    behaviour: MetadataBehaviour,
    requests: Vec<String>,
}

impl TaskMetadata {
    /// Starts a server.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&state))).abort_handle();
        Self { address, state, task }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the environment variable that ECS sets in every container.
    pub fn variable(&self) -> (&'static str, String) {
        ("ECS_CONTAINER_METADATA_URI_V4", format!("http://169.254.170.2{BASE}"))
    }

    /// Changes the behaviour.
    pub fn set_behaviour(&self, behaviour: MetadataBehaviour) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).behaviour = behaviour;
    }

    /// Returns the requested paths below the base path, in order.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

impl Drop for TaskMetadata {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<EndpointState>>) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let state = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path().strip_prefix(BASE).unwrap_or_default().to_owned();
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.requests.push(path.clone());
            respond(path, state.behaviour)
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(path: String, behaviour: MetadataBehaviour) -> io::Result<Response<Full<Bytes>>> {
    let mut status = StatusCode::OK;
    let body = match behaviour {
        MetadataBehaviour::Hang => pending().await,
        MetadataBehaviour::Garbage => b"\x00\xff{\"read\":".to_vec(),
        MetadataBehaviour::Document(text) => text.as_bytes().to_vec(),
        MetadataBehaviour::Status(code) => {
            status = StatusCode::from_u16(code).map_err(io::Error::other)?;
            b"injected".to_vec()
        }
        MetadataBehaviour::Normal => match path.as_str() {
            "/task" => task().to_string().into_bytes(),
            "/task/stats" => stats().to_string().into_bytes(),
            _ => {
                status = StatusCode::NOT_FOUND;
                Vec::new()
            }
        },
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn task() -> Value {
    let container = |id: &str, name: &str, cpu: u64| {
        json!({
            "DockerId": id, "Name": name, "Type": "NORMAL", "KnownStatus": "RUNNING", "Limits": { "CPU": cpu },
            "Networks": [{ "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.7"] }],
        })
    };
    json!({
        "Cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/shop", "ServiceName": "checkout-web", "Family": "checkout",
        "TaskARN": "arn:aws:ecs:us-east-1:123456789012:task/shop/0a1b2c3d4e5f60718293a4b5c6d7e8f9", "Revision": "3",
        "Limits": { "CPU": 0.5, "Memory": 512 }, "LaunchType": "FARGATE",
        "Containers": [container(WEB, "web", 384), container(ENVOY, "envoy", 128)],
    })
}

/// Returns stats as of now. Their counters have grown evenly since 2026.
fn stats() -> Value {
    const YEAR_2026: Duration = Duration::from_secs(1_767_225_600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Every counter is a whole number at even milliseconds, so the rate between any two readings is exact.
    let now = Duration::from_millis(now.as_secs() * 1_000 + u64::from(now.subsec_millis()) / 2 * 2);
    let time = |time: Duration| {
        let time = chrono::DateTime::from_timestamp(time.as_secs() as i64, time.subsec_nanos()).unwrap_or_default();
        time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
    };
    let nanos = |time: Duration| u64::try_from(time.saturating_sub(YEAR_2026).as_nanos()).unwrap_or_default();
    let container = |share: u64, mebibytes: u64| {
        let cpu = |time: Duration| {
            json!({
                "cpu_usage": { "total_usage": nanos(time) / share }, "system_cpu_usage": nanos(time) * 2, "online_cpus": 2,
            })
        };
        let before = now.saturating_sub(Duration::from_secs(1));
        json!({
            "read": time(now), "preread": time(before), "cpu_stats": cpu(now), "precpu_stats": cpu(before),
            "memory_stats": { "usage": (mebibytes + 10) << 20, "stats": { "file": 20 << 20, "inactive_file": 10 << 20 } },
            "networks": { "eth1": { "rx_bytes": nanos(now) / 1_000_000, "tx_bytes": nanos(now) / 2_000_000 } },
            "blkio_stats": { "io_service_bytes_recursive": [{ "major": 259, "minor": 0, "op": "read", "value": 4_096 }] },
        })
    };
    json!({ WEB: container(8, 96), ENVOY: container(16, 32) })
}
