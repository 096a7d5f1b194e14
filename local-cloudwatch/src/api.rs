//! Handles an API request: verifies, decodes and executes it, records the call and builds the response.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::authorization::AuthorizationHeader;
use crate::body;
use crate::call::ApiCall;
use crate::call_protocol::CallProtocol;
use crate::connection::HangUp;
use crate::error::{ApiError, ErrorKind};
use crate::fault::{DropPoint, Fault, WriteOperation};
use crate::operation::get_metric_data::get_metric_data;
use crate::operation::get_metric_statistics::get_metric_statistics;
use crate::operation::list_metrics::list_metrics;
use crate::operation::put_metric_data::PutMetricDataRequest;
use crate::protocol::{ApiProtocol, Envelope};
use crate::quota::MAX_REQUEST_BYTES;
use crate::request_fields::RequestFields;
use crate::signature::{Service, SignatureVerifier};
use crate::state::Shared;
use crate::sts;
use crate::wire_value::WireValue;

/// The result of an operation.
enum OperationOutcome {
    Stored {
        entity_failure: Option<String>,
        details: String,
    },
    Read(WireValue),
    /// The connection is dropped without a response.
    Dropped,
}

/// Handles one API request.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    set_host(&mut head);
    let received = body::receive(body, MAX_REQUEST_BYTES).await;
    let envelope = Envelope::from_head(&head);
    if let (ApiProtocol::Query, Some(form)) = (envelope.protocol, received.as_deref())
        && let Some(call) = sts::StsCall::parse(form)
    {
        return call.respond(&shared, &head, form, &Uuid::new_v4().to_string());
    }
    let mut call = new_call(&shared, &head, envelope.protocol.into(), received.as_deref());
    call.operation = envelope.operation().unwrap_or_default().to_owned();
    let outcome = execute(&shared, &envelope, &head, received, &mut call);
    let request_id = Uuid::new_v4().to_string();
    let (response, details) = respond(&envelope, &request_id, outcome, &mut call);
    finish(&shared, &head, call, response, &details).await
}

/// Records and prints a call, and returns its response after the delay that a test has set. Without a response, resets
/// the connection.
pub(crate) async fn finish(
    shared: &Shared,
    head: &Parts,
    call: ApiCall,
    response: Option<Response<Body>>,
    details: &str,
) -> Response<Body> {
    shared.terminal.print(&call, details);
    let delay = {
        let mut state = shared.lock();
        state.calls.push(call);
        state.delay
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match (response, head.extensions.get::<HangUp>()) {
        (Some(response), _) => response,
        (None, Some(connection)) => connection.hang_up().await,
        (None, None) => empty_response(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Creates the record of a call that has just arrived, without an operation.
pub(crate) fn new_call(shared: &Shared, head: &Parts, protocol: CallProtocol, body: Option<&[u8]>) -> ApiCall {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    ApiCall {
        number: 0,
        time_millis: shared.clock.now_millis(),
        operation: String::new(),
        protocol,
        access_key_id: AuthorizationHeader::access_key_id(&head.headers).unwrap_or_default().to_owned(),
        namespace: String::new(),
        body_bytes: body.map_or(0, <[u8]>::len),
        raw_bytes: 0,
        data: 0,
        rejected_data: 0,
        is_stored: false,
        status: None,
        code: None,
        message: None,
        user_agent: text(header::USER_AGENT),
    }
}

/// Checks and executes a request. Faults that a test injected apply after the signature check, so that they never hide
/// a badly signed call.
fn execute(
    shared: &Shared,
    envelope: &Envelope,
    head: &Parts,
    body: Option<Vec<u8>>,
    call: &mut ApiCall,
) -> Result<OperationOutcome, ApiError> {
    let body = body.filter(|body| body.len() <= MAX_REQUEST_BYTES);
    let body = body.ok_or_else(|| body::too_large(MAX_REQUEST_BYTES))?;
    let keys = shared.lock().keys.clone();
    let now_millis = call.time_millis;
    let verifier =
        SignatureVerifier { keys: &keys, region: shared.region.as_deref(), service: Service::CloudWatch, now_millis };
    verifier.verify(head, &body)?;
    let body = body::decompress(&head.headers, body, MAX_REQUEST_BYTES)?;
    call.raw_bytes = body.len();
    let (operation, request) = envelope.decode(&body)?;
    call.operation.clone_from(&operation);
    let fields = RequestFields::root(&request, envelope.protocol.time_form())?;
    let now = now_millis.div_euclid(1_000);
    match operation.as_str() {
        "PutMetricData" => put_metric_data(shared, &fields, call),
        "ListMetrics" => list_metrics(&fields, &shared.lock().store, now).map(OperationOutcome::Read),
        "GetMetricStatistics" => get_metric_statistics(&fields, &shared.lock().store).map(OperationOutcome::Read),
        "GetMetricData" => get_metric_data(&fields, &shared.lock().store).map(OperationOutcome::Read),
        _ => Err(ApiError::new(
            ErrorKind::UnknownOperation,
            format!("local-cloudwatch does not support the operation {operation}."),
        )),
    }
}

fn put_metric_data(
    shared: &Shared,
    fields: &RequestFields<'_>,
    call: &mut ApiCall,
) -> Result<OperationOutcome, ApiError> {
    call.data = PutMetricDataRequest::count(fields);
    call.namespace = fields.text("Namespace").ok().flatten().unwrap_or_default().to_owned();
    let fault = shared.lock().faults.next(WriteOperation::PutMetricData, &call.namespace);
    match fault {
        Some(Fault::Fail(failure)) => Err(failure.to_error()),
        Some(Fault::Drop { point: DropPoint::BeforeStoring, .. }) => Ok(OperationOutcome::Dropped),
        Some(Fault::Drop { point: DropPoint::AfterStoring, .. }) => {
            let _lost = store(shared, fields, call);
            Ok(OperationOutcome::Dropped)
        }
        None => store(shared, fields, call),
    }
}

fn store(shared: &Shared, fields: &RequestFields<'_>, call: &mut ApiCall) -> Result<OperationOutcome, ApiError> {
    let put = PutMetricDataRequest::read(fields, call.time_millis)?;
    let details = shared.terminal.describe(&put);
    shared.lock().store.put(&put.namespace, put.data, call.time_millis.div_euclid(1_000));
    call.is_stored = true;
    Ok(OperationOutcome::Stored { entity_failure: put.entity_failure, details })
}

/// Returns the response (`None` if the connection is to be dropped) and the text to print below the call's line.
fn respond(
    envelope: &Envelope,
    request_id: &str,
    outcome: Result<OperationOutcome, ApiError>,
    call: &mut ApiCall,
) -> (Option<Response<Body>>, String) {
    let (response, details) = match outcome {
        Ok(OperationOutcome::Stored { entity_failure, details }) => {
            let mut response = envelope.success(&call.operation, request_id, None);
            let failure = entity_failure.and_then(|message| HeaderValue::try_from(message).ok());
            let name = HeaderName::from_static("x-amzn-failure-message");
            response.headers_mut().extend(failure.map(|message| (name, message)));
            (response, details)
        }
        Ok(OperationOutcome::Read(fields)) => {
            (envelope.success(&call.operation, request_id, Some(&fields)), String::new())
        }
        Ok(OperationOutcome::Dropped) => return (None, String::new()),
        Err(error) => {
            call.code = Some(error.code(envelope.protocol).to_owned());
            call.message = Some(error.message().to_owned());
            (envelope.error(&error, request_id), String::new())
        }
    };
    call.status = Some(response.status().as_u16());
    (Some(response), details)
}

/// Adds the `host` header to an HTTP/2 request, which carries the host as `:authority`. SigV4 signs it as `host`.
pub(crate) fn set_host(head: &mut Parts) {
    let authority = head.uri.authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    if let (false, Some(authority)) = (head.headers.contains_key(header::HOST), authority) {
        head.headers.insert(header::HOST, authority);
    }
}

fn empty_response(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
