//! The options of a server.

use std::net::{Ipv4Addr, SocketAddr};

use crate::access_key::AccessKey;
use crate::otlp::access::OtlpAccess;
use crate::otlp::limits::OtlpLimits;

/// ID and secret of the default access key.
pub const DEFAULT_KEY: (&str, &str) = ("local", "local");

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address to listen on; port 0 picks a free port. `127.0.0.1:0` by default.
    pub listen: SocketAddr,
    /// The only accepted region of signatures. `None` accepts every region and is the default.
    pub region: Option<String>,
    /// The accepted access keys. Only [`DEFAULT_KEY`] by default.
    pub keys: Vec<AccessKey>,
    /// Suppresses the line printed for each call. True by default.
    pub is_quiet: bool,
    /// The authentication that OTLP requests must have. A signature by default.
    pub otlp_access: OtlpAccess,
    /// The limits of OTLP requests.
    pub otlp_limits: OtlpLimits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            region: None,
            keys: vec![AccessKey::new(DEFAULT_KEY.0, DEFAULT_KEY.1)],
            is_quiet: true,
            otlp_access: OtlpAccess::default(),
            otlp_limits: OtlpLimits::default(),
        }
    }
}
