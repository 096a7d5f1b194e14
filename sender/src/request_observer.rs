//! Reads the dimension values and attributes of requests to matching hosts.

use crate::{
    HeaderPhase, HostMatcher, PendingRequest, RequestHeaders, StreamInfo,
    builtin_metric::BuiltinMetric,
    dimension::{DimensionDefinition, DimensionSource, append_number},
    path_template::{OTHER, PathTemplates, append_normalized},
    stream_info::StreamAttribute,
};

/// The number of ended requests whose memory is kept for later ones: more than are usually in flight on one worker.
const MAX_SPARES: usize = 256;

/// A length in bytes that no valid authority reaches: a host name has at most 253 characters, and a port at most 5.
const MAX_AUTHORITY: usize = 260;

/// Reads the dimension values and attributes of requests to matching hosts.
///
/// It reads only what the configuration needs. A request does not allocate, except for the values that it reads.
#[derive(Debug)]
pub struct RequestObserver {
    hosts: HostMatcher,
    path_templates: PathTemplates,
    /// The dimensions that are not constant.
    dimensions: Vec<DimensionDefinition>,
    /// The attributes that the metrics and the dimensions `status` and `status_class` need.
    attributes: Vec<StreamAttribute>,
    /// True if a metric needs to know which requests are gRPC.
    needs_grpc: bool,
    /// Ended requests, whose memory is reused.
    spares: Vec<PendingRequest>,
    /// The authority of the last request, and whether it matches. The next request often has the same authority.
    last_authority: (Vec<u8>, bool),
    /// The value of the dimension `host` for the last authority, if that matches.
    host: Vec<u8>,
    /// A buffer for normalised paths.
    normalized_path: Vec<u8>,
}

impl RequestObserver {
    /// Creates an observer for the given metrics and dimensions. None of the dimensions may be constant.
    pub fn new(
        hosts: HostMatcher,
        path_templates: PathTemplates,
        metrics: &[BuiltinMetric],
        dimensions: Vec<DimensionDefinition>,
    ) -> Self {
        let is_grpc =
            |metric: &BuiltinMetric| matches!(metric, BuiltinMetric::GrpcRequestCount | BuiltinMetric::GrpcError);
        Self {
            hosts,
            path_templates,
            attributes: required_attributes(metrics, &dimensions),
            needs_grpc: metrics.iter().any(is_grpc),
            dimensions,
            spares: Vec::new(),
            last_authority: (Vec::new(), false),
            host: Vec::new(),
            normalized_path: Vec::new(),
        }
    }

    /// Starts a request and reads the dimension values that are already known. Returns `None` if its host does not
    /// match.
    ///
    /// `header` reads a request header by its lower-case name. The authority is read first, so a request to another
    /// host costs nothing more.
    pub fn start_request(
        &mut self,
        header: impl FnMut(&str) -> Option<Vec<u8>>,
        phase: HeaderPhase,
    ) -> Option<PendingRequest> {
        let mut headers = RequestHeaders::new(header, phase);
        if !self.is_observed(&headers.authority()) {
            return None;
        }
        let mut request = self.spares.pop().unwrap_or_default();
        request.reset(self.dimensions.len());
        request.is_grpc = self.needs_grpc && headers.is_grpc();
        // Two dimensions may need the path.
        let mut path = None;
        for (index, dimension) in self.dimensions.iter().enumerate() {
            match &dimension.source {
                DimensionSource::Host => request.set(index, dimension, Some(&self.host)),
                DimensionSource::Method => request.set(index, dimension, Some(&headers.method())),
                DimensionSource::Path => {
                    let path = path.get_or_insert_with(|| headers.path());
                    request.set(index, dimension, Some(path));
                }
                DimensionSource::PathTemplate => {
                    let path = path.get_or_insert_with(|| headers.path());
                    if self.path_templates.is_empty() {
                        self.normalized_path.clear();
                        append_normalized(&mut self.normalized_path, path);
                        request.set(index, dimension, Some(&self.normalized_path));
                    } else {
                        let template = self.path_templates.find(path).map_or(OTHER, str::as_bytes);
                        request.set(index, dimension, Some(template));
                    }
                }
                DimensionSource::RequestHeader(name) => {
                    request.set(index, dimension, headers.header(name).as_deref());
                }
                DimensionSource::Constant(_)
                | DimensionSource::Status
                | DimensionSource::StatusClass
                | DimensionSource::Attribute(_) => {}
            }
        }
        Some(request)
    }

    /// Reads the attributes of a request that has ended, and sets its remaining dimension values.
    ///
    /// `property` reads an Envoy attribute by its path, whose parts are separated by NUL. It is called once for each
    /// attribute that the configuration needs.
    pub fn end_request(
        &self,
        request: &mut PendingRequest,
        mut property: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> StreamInfo {
        let mut info = StreamInfo::new(request.is_grpc);
        for attribute in &self.attributes {
            if *attribute != StreamAttribute::GrpcStatus || request.is_grpc {
                info.set(*attribute, property(attribute.path()).as_deref());
            }
        }
        self.set_remaining_dimensions(request, &info, &mut property);
        info
    }

    /// Keeps the memory of an ended request for a later one.
    pub fn recycle(&mut self, request: PendingRequest) {
        if self.spares.len() < MAX_SPARES {
            self.spares.push(request);
        }
    }

    /// Returns whether requests with this authority are observed. If they are, `self.host` is the value of their
    /// dimension `host` afterwards.
    fn is_observed(&mut self, authority: &[u8]) -> bool {
        let (last, is_observed) = &mut self.last_authority;
        if last != authority || authority.is_empty() {
            last.clear();
            // Do not keep an authority that is longer than any valid one.
            last.extend_from_slice(authority.get(..MAX_AUTHORITY).map_or(authority, |_| &[]));
            self.host.clear();
            *is_observed = self.hosts.matches(authority, &mut self.host);
        }
        *is_observed
    }

    fn set_remaining_dimensions(
        &self,
        request: &mut PendingRequest,
        info: &StreamInfo,
        property: &mut impl FnMut(&str) -> Option<Vec<u8>>,
    ) {
        for (index, dimension) in self.dimensions.iter().enumerate() {
            match (&dimension.source, info.code()) {
                (DimensionSource::Status, Some(code)) => {
                    request.write(index, |text| append_number(text, code.into()));
                }
                (DimensionSource::StatusClass, Some(code)) => request.write(index, |text| {
                    append_number(text, i64::from(code / 100));
                    text.extend_from_slice(b"XX");
                }),
                (DimensionSource::Status | DimensionSource::StatusClass, None) => request.set(index, dimension, None),
                (DimensionSource::Attribute(path), _) => {
                    let bytes = property(path);
                    let bytes = bytes.as_deref();
                    let integer = bytes.filter(|_| dimension.source.is_integer());
                    match integer.and_then(|bytes| bytes.try_into().ok()) {
                        Some(bytes) => {
                            request.write(index, |text| append_number(text, i64::from_le_bytes(bytes)));
                        }
                        None => request.set(index, dimension, bytes),
                    }
                }
                _ => {}
            }
        }
    }
}

/// Returns the attributes that these metrics and dimensions need.
fn required_attributes(metrics: &[BuiltinMetric], dimensions: &[DimensionDefinition]) -> Vec<StreamAttribute> {
    let needs_status = |dimension: &DimensionDefinition| {
        matches!(dimension.source, DimensionSource::Status | DimensionSource::StatusClass)
    };
    let is_required = |attribute: &StreamAttribute| {
        metrics.iter().any(|metric| metric.attributes().contains(attribute))
            || (*attribute == StreamAttribute::Code && dimensions.iter().any(needs_status))
    };
    StreamAttribute::ALL.into_iter().filter(is_required).collect()
}
