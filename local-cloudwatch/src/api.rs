//! The API's way: a request is verified, opened, carried out, remembered and answered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::body;
use crate::call::Call;
use crate::connection::HangUp;
use crate::error::{ApiError, ErrorKind};
use crate::node::{Fields, Node};
use crate::operation::get_metric_data::get_metric_data;
use crate::operation::get_metric_statistics::get_metric_statistics;
use crate::operation::list_metrics::list_metrics;
use crate::operation::put_metric_data::PutMetricData;
use crate::protocol::{Envelope, Protocol};
use crate::rule::{Action, When};
use crate::signature::{Authorization, Service, Verifier};
use crate::state::Shared;
use crate::sts;

/// How an operation ended.
enum Outcome {
    Stored {
        entity_failure: Option<String>,
        details: String,
    },
    Read(Node),
    /// No answer: the connection is dropped.
    Dropped,
}

/// Answers one request of the API.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    set_host(&mut head);
    let received = body::receive(body).await;
    let envelope = Envelope::of(&head);
    if let (Protocol::Query, Some(form)) = (envelope.protocol, received.as_deref())
        && let Some(call) = sts::Call::of(form)
    {
        return call.answer(&shared, &head, form, &Uuid::new_v4().to_string());
    }
    let mut call = arrived(&shared, &head, &envelope, received.as_deref());
    let outcome = carry_out(&shared, &envelope, &head, received, &mut call);
    let request_id = Uuid::new_v4().to_string();
    let (response, details) = conclude(&envelope, &request_id, outcome, &mut call);
    shared.terminal.print(&call, &details);
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
        (None, None) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn arrived(shared: &Shared, head: &Parts, envelope: &Envelope, body: Option<&[u8]>) -> Call {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Call {
        number: 0,
        time_millis: shared.clock.now_millis(),
        operation: envelope.operation().unwrap_or_default().to_owned(),
        protocol: envelope.protocol,
        access_key_id: Authorization::access_key_id(&head.headers).unwrap_or_default().to_owned(),
        namespace: String::new(),
        body_bytes: body.map_or(0, <[u8]>::len),
        raw_bytes: 0,
        data: 0,
        is_stored: false,
        status: None,
        code: None,
        message: None,
        user_agent: text(header::USER_AGENT),
    }
}

/// Sizes are checked before the signature, and orders of tests come after it, so that none hides a badly signed call.
fn carry_out(
    shared: &Shared,
    envelope: &Envelope,
    head: &Parts,
    body: Option<Vec<u8>>,
    call: &mut Call,
) -> Result<Outcome, ApiError> {
    let body = body.filter(|body| body.len() <= crate::quota::MAX_REQUEST_BYTES).ok_or_else(body::too_large)?;
    let keys = shared.lock().keys.clone();
    let now_millis = call.time_millis;
    let verifier = Verifier { keys: &keys, region: shared.region.as_deref(), service: Service::CloudWatch, now_millis };
    verifier.verify(head, &body)?;
    let body = body::decompress(&head.headers, body)?;
    call.raw_bytes = body.len();
    let (operation, request) = envelope.open(&body)?;
    call.operation.clone_from(&operation);
    let fields = Fields::root(&request, envelope.protocol.time_form())?;
    let now = now_millis.div_euclid(1_000);
    match operation.as_str() {
        "PutMetricData" => put_metric_data(shared, &fields, call),
        "ListMetrics" => list_metrics(&fields, &shared.lock().store, now).map(Outcome::Read),
        "GetMetricStatistics" => get_metric_statistics(&fields, &shared.lock().store).map(Outcome::Read),
        "GetMetricData" => get_metric_data(&fields, &shared.lock().store).map(Outcome::Read),
        _ => Err(ApiError::new(ErrorKind::UnknownOperation, format!("The operation {operation} is not known here."))),
    }
}

fn put_metric_data(shared: &Shared, fields: &Fields<'_>, call: &mut Call) -> Result<Outcome, ApiError> {
    call.data = PutMetricData::count(fields);
    call.namespace = fields.text("Namespace").ok().flatten().unwrap_or_default().to_owned();
    let action = shared.lock().rules.next(&call.namespace);
    match action {
        Some(Action::Fail(failure)) => Err(failure.to_error()),
        Some(Action::Drop(When::BeforeStoring)) => Ok(Outcome::Dropped),
        Some(Action::Drop(When::AfterStoring)) => {
            let _lost = store(shared, fields, call);
            Ok(Outcome::Dropped)
        }
        None => store(shared, fields, call),
    }
}

fn store(shared: &Shared, fields: &Fields<'_>, call: &mut Call) -> Result<Outcome, ApiError> {
    let put = PutMetricData::read(fields, call.time_millis)?;
    let details = shared.terminal.describe(&put);
    shared.lock().store.put(&put.namespace, put.data, call.time_millis.div_euclid(1_000));
    call.is_stored = true;
    Ok(Outcome::Stored { entity_failure: put.entity_failure, details })
}

/// The response, or none when the connection is to be dropped, and what to print below the call's line.
fn conclude(
    envelope: &Envelope,
    request_id: &str,
    outcome: Result<Outcome, ApiError>,
    call: &mut Call,
) -> (Option<Response<Body>>, String) {
    let (response, details) = match outcome {
        Ok(Outcome::Stored { entity_failure, details }) => {
            let mut response = envelope.answer(&call.operation, request_id, None);
            let failure = entity_failure.and_then(|message| HeaderValue::try_from(message).ok());
            let name = HeaderName::from_static("x-amzn-failure-message");
            response.headers_mut().extend(failure.map(|message| (name, message)));
            (response, details)
        }
        Ok(Outcome::Read(fields)) => (envelope.answer(&call.operation, request_id, Some(&fields)), String::new()),
        Ok(Outcome::Dropped) => return (None, String::new()),
        Err(error) => {
            call.code = Some(error.code(envelope.protocol).to_owned());
            call.message = Some(error.message().to_owned());
            (envelope.refusal(&error, request_id), String::new())
        }
    };
    call.status = Some(response.status().as_u16());
    (Some(response), details)
}

/// HTTP/2 has the host in the request's authority, where SigV4 calls it `host` all the same.
fn set_host(head: &mut Parts) {
    let authority = head.uri.authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    if let (false, Some(authority)) = (head.headers.contains_key(header::HOST), authority) {
        head.headers.insert(header::HOST, authority);
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
