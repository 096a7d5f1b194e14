//! Handles `POST /v1/metrics`: verifies, decodes, checks and stores an export of metrics, and builds the response.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
use uuid::Uuid;

use super::access::{OtlpAccess, check_bearer};
use super::encoding::OtlpEncoding;
use super::error_status::ErrorStatus;
use super::request_reader::{ReadRequest, count_points};
use crate::call::ApiCall;
use crate::call_protocol::CallProtocol;
use crate::error::{ApiError, ErrorKind};
use crate::fault::{DropPoint, Fault, WriteOperation};
use crate::protocol::ApiProtocol;
use crate::signature::{Service, SignatureVerifier};
use crate::state::Shared;
use crate::{api, body};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The header in which AWS's REST protocols name an error.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The result of an export.
enum ExportOutcome {
    Stored(Option<ExportMetricsPartialSuccess>),
    /// The connection is dropped without a response.
    Dropped,
}

/// Handles one export.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    api::set_host(&mut head);
    let received = body::receive(body, shared.otlp_limits.max_request_bytes).await;
    let known_encoding = OtlpEncoding::from_headers(&head.headers);
    // A client with an unknown encoding gets JSON, which people can read.
    let encoding = known_encoding.unwrap_or(OtlpEncoding::Json);
    let protocol = match encoding {
        OtlpEncoding::Protobuf => CallProtocol::OtlpProtobuf,
        OtlpEncoding::Json => CallProtocol::OtlpJson,
    };
    let mut call = api::new_call(&shared, &head, protocol, received.as_deref());
    call.operation = WriteOperation::ExportMetrics.name().to_owned();
    let outcome = execute(&shared, known_encoding, &head, received, &mut call);
    let response = respond(encoding, outcome, &mut call);
    api::finish(&shared, &head, call, response, "").await
}

/// Checks and executes a request. Faults that a test injected apply after the check of the signature, so that they
/// never hide a badly signed call.
fn execute(
    shared: &Shared,
    encoding: Option<OtlpEncoding>,
    head: &Parts,
    body: Option<Vec<u8>>,
    call: &mut ApiCall,
) -> Result<ExportOutcome, ApiError> {
    let limits = &shared.otlp_limits;
    let max = limits.max_request_bytes;
    let body = body.filter(|body| body.len() <= max).ok_or_else(|| body::too_large(max))?;
    check_access(shared, head, &body, call.time_millis)?;
    let fault = shared.lock().faults.next(WriteOperation::ExportMetrics, "");
    let dropped = match fault {
        Some(Fault::Fail(failure)) => return Err(failure.to_error()),
        Some(Fault::Drop { point: DropPoint::BeforeStoring, .. }) => return Ok(ExportOutcome::Dropped),
        Some(Fault::Drop { point: DropPoint::AfterStoring, .. }) => true,
        None => false,
    };
    let stored = store(shared, encoding, head, body, call);
    if dropped { Ok(ExportOutcome::Dropped) } else { stored.map(ExportOutcome::Stored) }
}

fn check_access(shared: &Shared, head: &Parts, body: &[u8], now_millis: i64) -> Result<(), ApiError> {
    match &shared.otlp_access {
        OtlpAccess::Open => Ok(()),
        OtlpAccess::Bearer(token) => check_bearer(&head.headers, token),
        OtlpAccess::Signature => {
            let keys = shared.lock().keys.clone();
            let region = shared.region.as_deref();
            SignatureVerifier { keys: &keys, region, service: Service::CloudWatch, now_millis }.verify(head, body)
        }
    }
}

fn store(
    shared: &Shared,
    encoding: Option<OtlpEncoding>,
    head: &Parts,
    body: Vec<u8>,
    call: &mut ApiCall,
) -> Result<Option<ExportMetricsPartialSuccess>, ApiError> {
    let limits = &shared.otlp_limits;
    let encoding = encoding.ok_or_else(|| {
        let message = "The content-type must be application/x-protobuf or application/json.";
        ApiError::new(ErrorKind::UnsupportedEncoding, message)
    })?;
    let body = body::decompress(&head.headers, body, limits.max_request_bytes)?;
    call.raw_bytes = body.len();
    let request = encoding.decode(&body).map_err(|message| ApiError::new(ErrorKind::Serialization, message))?;
    call.data = count_points(&request);
    if call.data > limits.max_data_points {
        let message =
            format!("The request must not have more than {} data points, got {}.", limits.max_data_points, call.data);
        return Err(ApiError::new(ErrorKind::InvalidParameterValue, message));
    }
    let read = ReadRequest::new(&request, limits, call.time_millis);
    let partial = read.partial_success();
    call.rejected_data = read.rejected;
    call.message = partial.as_ref().map(|partial| partial.error_message.clone());
    shared.lock().otlp.put(read.points, call.time_millis);
    call.is_stored = true;
    Ok(partial)
}

/// Returns the response; `None` if the connection is to be dropped.
fn respond(
    encoding: OtlpEncoding,
    outcome: Result<ExportOutcome, ApiError>,
    call: &mut ApiCall,
) -> Option<Response<Body>> {
    let response = match outcome {
        Ok(ExportOutcome::Dropped) => return None,
        Ok(ExportOutcome::Stored(partial)) => response(StatusCode::OK, encoding, encoding.success(partial)),
        Err(error) => {
            call.code = Some(error.shape().to_owned());
            call.message = Some(error.message().to_owned());
            error_response(encoding, &error)
        }
    };
    call.status = Some(response.status().as_u16());
    Some(response)
}

fn error_response(encoding: OtlpEncoding, error: &ApiError) -> Response<Body> {
    let status = status(error);
    let mut built = match error.foreign_body() {
        Some(body) => {
            let mut foreign = Response::new(Body::from(body.to_owned()));
            *foreign.status_mut() = status;
            foreign
        }
        None => {
            let body = encoding.error(&ErrorStatus::new(status, error.message()));
            let mut built = response(status, encoding, body);
            built.headers_mut().extend(HeaderValue::try_from(error.shape()).map(|shape| (ERROR_TYPE, shape)).ok());
            built
        }
    };
    for (name, value) in error.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            built.headers_mut().insert(name, value);
        }
    }
    built
}

/// Returns the HTTP status of an error. Authentication errors are 403, as in AWS's Query protocol.
fn status(error: &ApiError) -> StatusCode {
    match error.kind() {
        ErrorKind::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => error.status(ApiProtocol::Query),
    }
}

fn response(status: StatusCode, encoding: OtlpEncoding, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
    headers.extend(HeaderValue::try_from(Uuid::new_v4().to_string()).map(|id| (REQUEST_ID, id)).ok());
    response
}
