//! An OpenTelemetry collector and a statsd server that accept everything and keep nothing. They run in this process.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
};
use tokio::runtime::Runtime;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// The running servers with their threads.
#[derive(Debug)]
pub(crate) struct Collector {
    opentelemetry: SocketAddr,
    statsd: SocketAddr,
    _runtime: Runtime,
}

impl Collector {
    /// Starts the servers on free ports.
    ///
    /// # Errors
    /// Returns an error if threads or ports are not available.
    pub(crate) fn start() -> Result<Self, String> {
        let describe = |error: &dyn std::fmt::Display| format!("cannot start the collector: {error}");
        let runtime = Runtime::new().map_err(|error| describe(&error))?;
        let _context = runtime.enter();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = TcpIncoming::bind(any).map_err(|error| describe(&error))?;
        let opentelemetry = incoming.local_addr().map_err(|error| describe(&error))?;
        let server = Server::builder()
            .add_service(LogsServiceServer::new(Discard))
            .add_service(MetricsServiceServer::new(Discard))
            .serve_with_incoming(incoming);
        runtime.spawn(server);
        let socket = UdpSocket::bind(any).map_err(|error| describe(&error))?;
        let statsd = socket.local_addr().map_err(|error| describe(&error))?;
        // The thread lasts as long as the process. A task of the runtime would keep it from ending.
        thread::spawn(move || {
            let mut packet = [0; 65_536];
            while socket.recv(&mut packet).is_ok() {}
        });
        Ok(Self { opentelemetry, statsd, _runtime: runtime })
    }

    /// Returns the address that accepts OTLP over gRPC.
    pub(crate) fn opentelemetry(&self) -> SocketAddr {
        self.opentelemetry
    }

    /// Returns the address that accepts statsd over UDP.
    pub(crate) fn statsd(&self) -> SocketAddr {
        self.statsd
    }
}

#[derive(Clone, Copy, Debug)]
struct Discard;

#[tonic::async_trait]
impl LogsService for Discard {
    async fn export(
        &self,
        _: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Discard {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
