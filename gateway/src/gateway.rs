//! Request handling of the gateway, independent of Envoy.

use std::time::Duration;

use acpw_metric::Now;
use acpw_shared_state::RoomLedger;

use crate::{
    Config,
    answer::{Answer, Responder, exported},
    body::{Coding, MAX_BODY_BYTES},
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::UnknownFields,
    node::Node,
    operation::{Operation, check_json, check_operation, export_encoding, is_cbor},
    otlp::{Export, ExportContext, SettledExport, decode::decode, encoding::Encoding},
    page,
    protocol::{Protocol, cbor, json, query},
    put_metric_data::{AcceptedPost, PutMetricData, encode_records},
    receiver_state::{Readiness, ReceiverState},
    refusal::Refusal,
    request::Request,
    rules::ReadContext,
    text,
};

/// The default time limit of a flush.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
/// The maximum time limit of a flush.
const MAX_FLUSH_LIMIT: Duration = Duration::from_secs(300);

/// The path that OpenTelemetry SDKs export metrics to.
const EXPORT_PATH: &str = "/v1/metrics";

/// The gateway of one plugin configuration.
///
/// For each request, call [`begin`](Self::begin) with its head. If that returns [`NextStep::Read`], call
/// [`finish`](Self::finish) with the body. Send every answer with the headers from [`cors`](Self::cors).
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    receiver: ReceiverState,
}

/// The next step for a request whose head was received.
#[derive(Debug)]
pub enum NextStep {
    /// Respond without the body.
    Respond(Answer),
    /// Read the body.
    Read(Box<PendingRequest>),
    /// Respond with the receiver's status.
    Status,
}

/// A request whose body is being received.
#[derive(Debug)]
pub struct PendingRequest {
    request: Request,
    operation: Operation,
    coding: Coding,
    responder: Responder,
}

/// The result of a complete request.
#[derive(Debug)]
pub enum PostOutcome {
    /// Enqueue the records of the post, then send the answer.
    Accepted(AcceptedPost, Answer),
    /// Settle the export with the streams in shared data: see [`Gateway::settle`].
    Exported(Box<Export>),
    /// No data is accepted.
    Refused(Answer),
    /// Publish all held data within this time limit.
    Flush(Duration),
}

impl Gateway {
    /// Creates a gateway. It has no receiver until [`handle_status`](Self::handle_status) is called.
    pub fn new(config: Config) -> Self {
        Self { config, receiver: ReceiverState::default() }
    }

    /// Reads the status that the receiver wrote to shared data. Returns a log line if the status cannot be decoded.
    pub fn handle_status(&mut self, status: Option<&[u8]>) -> Option<String> {
        self.receiver.update(status)
    }

    /// Returns the state of the receiver.
    pub fn receiver(&self) -> &ReceiverState {
        &self.receiver
    }

    /// Returns the readiness of the receiver to accept data.
    pub fn readiness(&self, now: Now) -> Readiness {
        self.receiver.readiness(now)
    }

    /// Takes the room of a post, in bytes of memory, from the ledger in shared data. Returns the ledger to write
    /// instead, or `None` if there is not enough room. Send a success answer only after that ledger is written.
    pub fn take_room(memory: u64, ledger: Option<&[u8]>) -> Option<RoomLedger> {
        RoomLedger::decode(ledger?).ok()?.take(memory)
    }

    /// Gives back the room, in bytes of memory, of a post that was not enqueued. Returns the ledger to write.
    pub fn give_room_back(memory: u64, ledger: Option<&[u8]>) -> Option<RoomLedger> {
        Some(RoomLedger::decode(ledger?).ok()?.give_back(memory))
    }

    /// Handles the head of a request. `id` becomes part of the request ID.
    pub fn begin(&self, request: Request, id: u64, now: Now) -> NextStep {
        let responder = responder(&request, id);
        match self.route(request, responder.clone(), now) {
            Ok(next) => next,
            Err(refusal) => NextStep::Respond(responder.refused(&refusal)),
        }
    }

    /// Handles the body of a request.
    pub fn finish(&self, call: &PendingRequest, body: &[u8], now: Now) -> PostOutcome {
        match self.accept(call, body, now) {
            Ok(outcome) => outcome,
            Err(refusal) => PostOutcome::Refused(call.responder.refused(&refusal)),
        }
    }

    /// Settles an export with the streams in shared data. Store the new streams, then enqueue the records, then send
    /// the answer. If another worker replaces the streams first, settle the export again.
    ///
    /// # Errors
    /// Returns the answer if the export is refused.
    pub fn settle(
        &self,
        call: &PendingRequest,
        export: &Export,
        streams: Option<&[u8]>,
        now: Now,
    ) -> Result<(SettledExport, Answer), Answer> {
        let settled = export.settle(streams, now.wall);
        let (needed, capacity) = (settled.post.memory, self.receiver.capacity());
        if needed > capacity {
            return Err(call.responder.refused(&Refusal::ExceedsBuffer { needed, capacity }));
        }
        let answer = match call.responder.protocol {
            Protocol::Otlp(encoding) => exported(encoding, settled.rejected, &settled.message),
            _ => call.responder.accepted(settled.post.data, None),
        };
        Ok((settled, answer))
    }

    /// Returns the headers that allow a page of a configured origin to read the answer.
    pub fn cors(&self, request: &Request) -> Vec<(&'static str, String)> {
        match request.text("origin").filter(|origin| self.is_allowed(origin)) {
            Some(origin) => {
                vec![("access-control-allow-origin", origin.to_owned()), ("vary", "origin".to_owned())]
            }
            None => Vec::new(),
        }
    }

    /// Returns the answer to a post whose records were not enqueued, because the receiver's queue does not exist.
    pub fn not_enqueued(call: &PendingRequest) -> Answer {
        call.responder.refused(&Refusal::NoReceiver)
    }

    /// Returns the answer to a post for which the ledger has no room.
    pub fn no_room(call: &PendingRequest) -> Answer {
        call.responder.refused(&Refusal::BufferFull)
    }

    fn route(&self, request: Request, responder: Responder, now: Now) -> Result<NextStep, Refusal> {
        if !self.is_same_or_allowed_origin(&request) {
            return Err(Refusal::OriginNotAllowed);
        }
        if request.method() == "OPTIONS" && request.header("access-control-request-method").is_some() {
            let answer = Answer::empty(204)
                .header("access-control-allow-methods", "GET, POST")
                .header("access-control-allow-headers", "authorization, content-encoding, content-type")
                .header("access-control-max-age", "600");
            return Ok(NextStep::Respond(answer));
        }
        let is_get = matches!(request.method(), "GET" | "HEAD");
        let is_post = request.method() == "POST";
        if is_get && responder.protocol == Protocol::Query {
            return Err(Refusal::FormNotPosted);
        }
        let operation = match request.path() {
            "/" if is_get => return Ok(NextStep::Respond(page::page())),
            "/status" if is_get => return Ok(NextStep::Status),
            "/healthcheck" if is_get => return Ok(NextStep::Respond(self.health(now))),
            "/metrics" if is_post => Operation::Metrics,
            "/batch" if is_post => Operation::Batch,
            "/flush" if is_post => Operation::Flush,
            EXPORT_PATH if is_post => Operation::Export(export_encoding(&request)?),
            "/" if is_post => Operation::from_api(&request)?,
            path if is_cbor(path) && is_post => Operation::from_api(&request)?,
            "/" => return Err(Refusal::MethodNotAllowed("GET, POST")),
            "/status" | "/healthcheck" => return Err(Refusal::MethodNotAllowed("GET")),
            "/metrics" | "/batch" | "/flush" | EXPORT_PATH => return Err(Refusal::MethodNotAllowed("POST")),
            path if is_cbor(path) => return Err(Refusal::MethodNotAllowed("POST")),
            _ => {
                let paths =
                    "/metrics, /batch, /v1/metrics, /flush, /healthcheck, /status, / or a path of CloudWatch's API";
                return Err(Refusal::NotFound(format!("This path does not exist; use {paths}.")));
            }
        };
        if matches!(operation, Operation::Metrics | Operation::Batch) {
            check_json(&request)?;
        }
        let coding = Coding::from_header(request.header("content-encoding").unwrap_or_default()).ok_or_else(|| {
            Refusal::UnsupportedMediaType("The content-encoding is not supported; use gzip or none.".to_owned())
        })?;
        let length = request.text("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(Refusal::TooLarge);
        }
        if operation != Operation::Flush {
            // Refuse early: a client that sends `expect: 100-continue` has not sent the body yet.
            self.check_receiver(now)?;
        }
        Ok(NextStep::Read(Box::new(PendingRequest { request, operation, coding, responder })))
    }

    fn accept(&self, call: &PendingRequest, body: &[u8], now: Now) -> Result<PostOutcome, Refusal> {
        let time = self.receiver.corrected(now);
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.config.authorization.check(&call.request, body, seconds).map_err(Refusal::Unauthorized)?;
        if call.operation == Operation::Flush {
            return Ok(PostOutcome::Flush(flush_limit(&call.request)?));
        }
        let body = call.coding.decode(body)?;
        if let Operation::Export(encoding) = call.operation {
            return self.read_export(encoding, &body, now).map(|export| PostOutcome::Exported(Box::new(export)));
        }
        let malformed = |reason: String| Refusal::Malformed(reason);
        let body = match call.responder.protocol {
            Protocol::Cbor => &body,
            Protocol::Plain | Protocol::Json | Protocol::Query | Protocol::Otlp(_) => {
                text::strip_byte_order_mark(&body).map_err(malformed)?
            }
        };
        let (requests, faults) = match (&call.operation, call.responder.protocol) {
            (Operation::Batch, _) => {
                self.read(call, now, &json::decode(body).map_err(malformed)?, PutMetricData::read_batch)
            }
            (Operation::Metrics | Operation::Flush | Operation::Export(_), _)
            | (_, Protocol::Plain | Protocol::Otlp(_)) => {
                self.read_one(call, now, &json::decode(body).map_err(malformed)?)
            }
            (Operation::Api(operation), Protocol::Json) => {
                check_operation(operation.as_deref().unwrap_or_default())?;
                self.read_one(call, now, &json::decode(body).map_err(malformed)?)
            }
            (Operation::Api(operation), Protocol::Cbor) => {
                check_operation(operation.as_deref().unwrap_or_default())?;
                self.read_one(call, now, &cbor::decode(body).map_err(malformed)?)
            }
            (Operation::Api(_), Protocol::Query) => {
                let form = query::decode(body).map_err(malformed)?;
                check_operation(&form.action)?;
                self.read_one(call, now, &form.fields)
            }
        };
        let Some(requests) = requests.filter(|_| faults.is_empty()) else { return Err(Refusal::Invalid(faults)) };
        self.check_receiver(now)?;
        let post = encode_records(requests, now.wall);
        let (needed, capacity) = (post.memory, self.receiver.capacity());
        if needed > capacity {
            return Err(Refusal::ExceedsBuffer { needed, capacity });
        }
        let answer = call.responder.accepted(post.data, post.entity_failure.as_deref());
        Ok(PostOutcome::Accepted(post, answer))
    }

    fn read_export(&self, encoding: Encoding, body: &[u8], now: Now) -> Result<Export, Refusal> {
        let body = match encoding {
            Encoding::Protobuf => body,
            Encoding::Json => text::strip_byte_order_mark(body).map_err(Refusal::Malformed)?,
        };
        let request = decode(encoding, body)?;
        self.check_receiver(now)?;
        let context =
            ExportContext { rules: &self.config.rules, otlp: &self.config.otlp, now: self.receiver.corrected(now) };
        Ok(Export::read(&request, &context))
    }

    fn read_one(
        &self,
        call: &PendingRequest,
        now: Now,
        node: &Node<'_>,
    ) -> (Option<Vec<PutMetricData>>, ValidationErrors) {
        self.read(call, now, node, |node, context, faults| {
            PutMetricData::read(node, context, faults).map(|request| vec![request])
        })
    }

    fn read<T>(
        &self,
        call: &PendingRequest,
        now: Now,
        node: &Node<'_>,
        read: impl FnOnce(&Node<'_>, &ReadContext<'_>, &mut ValidationErrors) -> Option<T>,
    ) -> (Option<T>, ValidationErrors) {
        let protocol = call.responder.protocol;
        let mut faults = ValidationErrors::new(protocol.path_style());
        let unknown = match protocol {
            Protocol::Plain => UnknownFields::Refused,
            Protocol::Json | Protocol::Cbor | Protocol::Query | Protocol::Otlp(_) => UnknownFields::Ignored,
        };
        let now = self.receiver.corrected(now);
        let read = read(node, &ReadContext { rules: &self.config.rules, now, unknown }, &mut faults);
        (read, faults)
    }

    fn check_receiver(&self, now: Now) -> Result<(), Refusal> {
        match self.readiness(now) {
            Readiness::Ready => Ok(()),
            Readiness::Full => Err(Refusal::BufferFull),
            Readiness::Absent => Err(Refusal::NoReceiver),
            Readiness::OtherRelease => Err(Refusal::OtherRelease),
        }
    }

    fn health(&self, now: Now) -> Answer {
        match self.readiness(now) {
            Readiness::Ready => Answer::text(200, "OK\n"),
            Readiness::Full => Answer::text(503, "the receiver's buffer is full\n"),
            Readiness::Absent => Answer::text(503, "no receiver is running\n"),
            Readiness::OtherRelease => Answer::text(503, "the receiver and the gateway are from different releases\n"),
        }
    }

    /// Checks the origin of a request, so that a web page cannot post to a gateway on its visitor's machine. Browsers
    /// send the origin of a page's requests; other clients do not.
    fn is_same_or_allowed_origin(&self, request: &Request) -> bool {
        let Some(origin) = request.header("origin") else { return true };
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| host.eq_ignore_ascii_case(request.authority())) || self.is_allowed(origin)
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.config.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

/// Returns the responder for a request. `id` becomes part of the request ID.
fn responder(request: &Request, id: u64) -> Responder {
    let protocol = match request.path() {
        // An export whose content type is not supported gets an answer that people can read.
        EXPORT_PATH => Protocol::Otlp(export_encoding(request).unwrap_or(Encoding::Json)),
        path if is_cbor(path) => Protocol::Cbor,
        "/" if request.method() == "POST" => match request.header("x-amz-target") {
            Some(_) => Protocol::Json,
            None if request.media_type().as_deref() == Some("application/x-www-form-urlencoded") => Protocol::Query,
            None => Protocol::Plain,
        },
        // A form in the query string, which CloudWatch's API also accepts.
        "/" if request.parameter("Action").is_some() => Protocol::Query,
        _ => Protocol::Plain,
    };
    let is_query_mode = request.text("x-amzn-query-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
    let [a, b, c, d, e, f, g, h] = id.to_be_bytes();
    let request_id = format!("{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{g:02x}0-8{h:02x}0-000000000000");
    Responder { protocol, is_query_mode, request_id }
}

fn flush_limit(request: &Request) -> Result<Duration, Refusal> {
    const KEY: &str = "timeout_millisecond";
    let Some(text) = request.parameter(KEY) else { return Ok(FLUSH_LIMIT) };
    match text.parse::<u64>().map(Duration::from_millis) {
        Ok(limit) if limit <= MAX_FLUSH_LIMIT => Ok(limit),
        _ => {
            let mut faults = ValidationErrors::default();
            let message = format_args!("must be a whole number up to {}", MAX_FLUSH_LIMIT.as_millis());
            faults.add_kind(ValidationErrorKind::Value, Path::Field(&Path::Root, KEY), message);
            Err(Refusal::Invalid(faults))
        }
    }
}

/// Reads a body as a post in `protocol`, ignoring its faults. For the fuzz targets.
#[doc(hidden)]
pub fn read_any(protocol: Protocol, body: &[u8], context: &ReadContext<'_>) -> Option<AcceptedPost> {
    let mut faults = ValidationErrors::new(protocol.path_style());
    let requests = match protocol {
        Protocol::Plain => PutMetricData::read_batch(&json::decode(body).ok()?, context, &mut faults)?,
        Protocol::Json => vec![PutMetricData::read(&json::decode(body).ok()?, context, &mut faults)?],
        Protocol::Cbor => vec![PutMetricData::read(&cbor::decode(body).ok()?, context, &mut faults)?],
        Protocol::Query => vec![PutMetricData::read(&query::decode(body).ok()?.fields, context, &mut faults)?],
        Protocol::Otlp(_) => return None,
    };
    Some(encode_records(requests, context.now))
}
