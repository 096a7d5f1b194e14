//! What a request comes to: the state of a gateway, without Envoy.

use std::{fmt::Display, time::Duration};

use acpw_metric::Now;
use acpw_shared_state::{RoomLedger, Status};

use crate::{
    Config,
    answer::{Answer, Reply},
    body::{Coding, MAX_BODY_BYTES},
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::UnknownFields,
    node::Node,
    page,
    protocol::{Protocol, cbor, json, query},
    put_metric_data::{Posting, PutMetricData, post},
    receiver_state::{Readiness, ReceiverState},
    refusal::Refusal,
    request::Request,
    rules::Reading,
    text,
};

const SERVICE: &str = "GraniteServiceVersion20100801";
const OPERATION: &str = "PutMetricData";

/// How long a flush may take unless the request says otherwise, and at most.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
const MAX_FLUSH_LIMIT: Duration = Duration::from_secs(300);

/// A gateway.
///
/// For a request: [`begin`](Self::begin) with its head; where that says to read the body, [`finish`](Self::finish) with
/// it. Every answer is sent with [`cors`](Self::cors).
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    receiver: ReceiverState,
}

/// What is to be done for a request whose head has come.
#[derive(Debug)]
pub enum Next {
    /// It is answered without its body.
    Answer(Answer),
    /// Its body is to be read.
    Read(Box<Call>),
    /// It asks for the receiver's status.
    Status,
}

/// A request whose body is awaited.
#[derive(Debug)]
pub struct Call {
    request: Request,
    operation: Operation,
    coding: Coding,
    reply: Reply,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
    Metrics,
    Batch,
    Flush,
    /// An operation of CloudWatch's API, where the head names it.
    Api(Option<String>),
}

/// What a whole request comes to.
#[derive(Debug)]
pub enum Outcome {
    /// The posting's records go onto the queue; then this is the answer.
    Accepted(Posting, Answer),
    /// Nothing is taken.
    Refused(Answer),
    /// All that is held is to be published, within this time.
    Flush(Duration),
}

impl Gateway {
    /// A gateway that knows of no receiver yet.
    pub fn new(config: Config) -> Self {
        Self { config, receiver: ReceiverState::default() }
    }

    /// Reads the status that the receiver has written to shared data. Returns a line for the log if it cannot be read.
    pub fn handle_status(&mut self, status: Option<&[u8]>) -> Option<String> {
        self.receiver.update(status)
    }

    /// Returns the last status of the receiver.
    pub fn receiver(&self) -> Option<&Status> {
        self.receiver.status()
    }

    /// Returns whether a receiver accepts data now.
    pub fn readiness(&self, now: Now) -> Readiness {
        self.receiver.readiness(now)
    }

    /// Takes the room of a posting from the ledger that shared data have. Returns the ledger to write in its place, or `None`
    /// if there is not enough room. The posting may be answered with success only once that ledger is written.
    pub fn take_room(posting: &Posting, ledger: Option<&[u8]>) -> Option<RoomLedger> {
        RoomLedger::decode(ledger?).ok()?.take(posting.memory)
    }

    /// Gives back the room of a posting that was not put onto the queue.
    pub fn give_room_back(posting: &Posting, ledger: Option<&[u8]>) -> Option<RoomLedger> {
        Some(RoomLedger::decode(ledger?).ok()?.give_back(posting.memory))
    }

    /// Looks at the head of a request. `id` names the request.
    pub fn begin(&self, request: Request, id: u64, now: Now) -> Next {
        let reply = reply_of(&request, id);
        match self.route(request, reply.clone(), now) {
            Ok(next) => next,
            Err(refusal) => Next::Answer(reply.refused(&refusal)),
        }
    }

    /// Reads the body of a request.
    pub fn finish(&self, call: &Call, body: &[u8], now: Now) -> Outcome {
        match self.accept(call, body, now) {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Refused(call.reply.refused(&refusal)),
        }
    }

    /// The headers that let a page of another origin read the answer, where its origin is configured.
    pub fn cors(&self, request: &Request) -> Vec<(&'static str, String)> {
        match request.text("origin").filter(|origin| self.is_allowed(origin)) {
            Some(origin) => {
                vec![("access-control-allow-origin", origin.to_owned()), ("vary", "origin".to_owned())]
            }
            None => Vec::new(),
        }
    }

    /// The answer to a post whose records the queue did not take: there is no receiver after all.
    pub fn not_enqueued(call: &Call) -> Answer {
        call.reply.refused(&Refusal::NoReceiver)
    }

    /// Returns the answer to a post for which the ledger had no room.
    pub fn no_room(call: &Call) -> Answer {
        call.reply.refused(&Refusal::Full)
    }

    fn route(&self, request: Request, reply: Reply, now: Now) -> Result<Next, Refusal> {
        if !self.is_same_or_allowed_origin(&request) {
            return Err(Refusal::Origin);
        }
        if request.method() == "OPTIONS" && request.header("access-control-request-method").is_some() {
            let answer = Answer::empty(204)
                .header("access-control-allow-methods", "GET, POST")
                .header("access-control-allow-headers", "authorization, content-encoding, content-type")
                .header("access-control-max-age", "600");
            return Ok(Next::Answer(answer));
        }
        let is_get = matches!(request.method(), "GET" | "HEAD");
        let is_post = request.method() == "POST";
        if is_get && reply.protocol == Protocol::Query {
            return Err(Refusal::NotPosted);
        }
        let operation = match request.path() {
            "/" if is_get => return Ok(Next::Answer(page::page())),
            "/status" if is_get => return Ok(Next::Status),
            "/healthcheck" if is_get => return Ok(Next::Answer(self.health(now))),
            "/metrics" if is_post => Operation::Metrics,
            "/batch" if is_post => Operation::Batch,
            "/flush" if is_post => Operation::Flush,
            "/" if is_post => api(&request)?,
            path if is_cbor(path) && is_post => api(&request)?,
            "/" => return Err(Refusal::Method("GET, POST")),
            "/status" | "/healthcheck" => return Err(Refusal::Method("GET")),
            "/metrics" | "/batch" | "/flush" => return Err(Refusal::Method("POST")),
            path if is_cbor(path) => return Err(Refusal::Method("POST")),
            _ => {
                let paths = "/metrics, /batch, /flush, /healthcheck, /status, / and CloudWatch's API";
                return Err(Refusal::NotFound(format!("There is nothing at this path. There are {paths}.")));
            }
        };
        if matches!(operation, Operation::Metrics | Operation::Batch) {
            check_json(&request)?;
        }
        let coding = Coding::from_header(request.header("content-encoding").unwrap_or_default())
            .ok_or_else(|| Refusal::MediaType("The content-encoding must be gzip, or none.".to_owned()))?;
        let length = request.text("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(Refusal::TooLarge);
        }
        if operation != Operation::Flush {
            // Before the body is sent, where the client waits.
            self.check_receiver(now)?;
        }
        Ok(Next::Read(Box::new(Call { request, operation, coding, reply })))
    }

    fn accept(&self, call: &Call, body: &[u8], now: Now) -> Result<Outcome, Refusal> {
        let time = self.receiver.corrected(now);
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.config.authorization.check(&call.request, body, seconds).map_err(Refusal::Unauthorized)?;
        if call.operation == Operation::Flush {
            return Ok(Outcome::Flush(flush_limit(&call.request)?));
        }
        let body = call.coding.open(body)?;
        let unreadable = |what: String| Refusal::Unreadable(what);
        let body = match call.reply.protocol {
            Protocol::Cbor => &body,
            Protocol::Plain | Protocol::Json | Protocol::Query => text::without_mark(&body).map_err(unreadable)?,
        };
        let (requests, faults) = match (&call.operation, call.reply.protocol) {
            (Operation::Batch, _) => {
                self.read(call, now, &json::decode(body).map_err(unreadable)?, PutMetricData::read_batch)
            }
            (Operation::Metrics | Operation::Flush, _) | (_, Protocol::Plain) => {
                self.read_one(call, now, &json::decode(body).map_err(unreadable)?)
            }
            (Operation::Api(operation), Protocol::Json) => {
                check_operation(operation.as_deref().unwrap_or_default())?;
                self.read_one(call, now, &json::decode(body).map_err(unreadable)?)
            }
            (Operation::Api(operation), Protocol::Cbor) => {
                check_operation(operation.as_deref().unwrap_or_default())?;
                self.read_one(call, now, &cbor::decode(body).map_err(unreadable)?)
            }
            (Operation::Api(_), Protocol::Query) => {
                let form = query::decode(body).map_err(unreadable)?;
                check_operation(&form.action)?;
                self.read_one(call, now, &form.fields)
            }
        };
        let Some(requests) = requests.filter(|_| faults.is_empty()) else { return Err(Refusal::Faulty(faults)) };
        self.check_receiver(now)?;
        let posting = post(requests, now.wall);
        let (needed, capacity) = (posting.memory, self.receiver.capacity());
        if needed > capacity {
            return Err(Refusal::ExceedsBuffer { needed, capacity });
        }
        let answer = call.reply.accepted(posting.data, posting.entity_failure.as_deref());
        Ok(Outcome::Accepted(posting, answer))
    }

    fn read_one(&self, call: &Call, now: Now, node: &Node<'_>) -> (Option<Vec<PutMetricData>>, ValidationErrors) {
        self.read(call, now, node, |node, reading, faults| {
            PutMetricData::read(node, reading, faults).map(|request| vec![request])
        })
    }

    fn read<T>(
        &self,
        call: &Call,
        now: Now,
        node: &Node<'_>,
        read: impl FnOnce(&Node<'_>, &Reading<'_>, &mut ValidationErrors) -> Option<T>,
    ) -> (Option<T>, ValidationErrors) {
        let protocol = call.reply.protocol;
        let mut faults = ValidationErrors::new(protocol.path_style());
        let unknown = match protocol {
            Protocol::Plain => UnknownFields::Refused,
            Protocol::Json | Protocol::Cbor | Protocol::Query => UnknownFields::Ignored,
        };
        let now = self.receiver.corrected(now);
        let read = read(node, &Reading { rules: &self.config.rules, now, unknown }, &mut faults);
        (read, faults)
    }

    fn check_receiver(&self, now: Now) -> Result<(), Refusal> {
        match self.readiness(now) {
            Readiness::Ready => Ok(()),
            Readiness::Full => Err(Refusal::Full),
            Readiness::Absent => Err(Refusal::NoReceiver),
            Readiness::OtherRelease => Err(Refusal::OtherRelease),
        }
    }

    fn health(&self, now: Now) -> Answer {
        match self.readiness(now) {
            Readiness::Ready => Answer::text(200, "OK\n"),
            Readiness::Full => Answer::text(503, "the receiver's buffer is full\n"),
            Readiness::Absent => Answer::text(503, "there is no receiver\n"),
            Readiness::OtherRelease => Answer::text(503, "the receiver is of another release\n"),
        }
    }

    /// A page that somebody happens to visit must not post to a gateway on the visitor's own machine. Browsers tell the
    /// origin of such requests; other clients have none.
    fn is_same_or_allowed_origin(&self, request: &Request) -> bool {
        let Some(origin) = request.header("origin") else { return true };
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| host.eq_ignore_ascii_case(request.authority())) || self.is_allowed(origin)
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.config.origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }
}

fn reply_of(request: &Request, id: u64) -> Reply {
    let protocol = match request.path() {
        path if is_cbor(path) => Protocol::Cbor,
        "/" if request.method() == "POST" => match request.header("x-amz-target") {
            Some(_) => Protocol::Json,
            None if request.media_type().as_deref() == Some("application/x-www-form-urlencoded") => Protocol::Query,
            None => Protocol::Plain,
        },
        // A form in the query, as CloudWatch's API takes it too.
        "/" if request.parameter("Action").is_some() => Protocol::Query,
        _ => Protocol::Plain,
    };
    let is_query_mode = request.text("x-amzn-query-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
    let [a, b, c, d, e, f, g, h] = id.to_be_bytes();
    let request_id = format!("{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{g:02x}0-8{h:02x}0-000000000000");
    Reply { protocol, is_query_mode, request_id }
}

/// `/service/GraniteServiceVersion20100801/operation/PutMetricData`
fn is_cbor(path: &str) -> bool {
    path.starts_with("/service/")
}

/// The operation of CloudWatch's API that a head names.
fn api(request: &Request) -> Result<Operation, Refusal> {
    let known = |service: &str, operation: &str| {
        if service == SERVICE {
            Ok(Operation::Api(Some(operation.to_owned())))
        } else {
            Err(unknown_operation(service))
        }
    };
    if let Some(rest) = request.path().strip_prefix("/service/") {
        let (service, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let operation = rest.strip_prefix("operation/").unwrap_or_default();
        return match request.text("smithy-protocol") {
            Some("rpc-v2-cbor") => known(service, operation),
            _ => Err(Refusal::MediaType("The header smithy-protocol must be rpc-v2-cbor.".to_owned())),
        };
    }
    if let Some(target) = request.text("x-amz-target") {
        let (service, operation) = target.split_once('.').unwrap_or((target, ""));
        return known(service, operation);
    }
    match request.media_type().as_deref() {
        Some("application/x-www-form-urlencoded") => Ok(Operation::Api(None)),
        _ => {
            let what =
                "This path takes CloudWatch's API: JSON 1.0 with x-amz-target, or a form. Post JSON to /metrics.";
            Err(Refusal::MediaType(what.to_owned()))
        }
    }
}

fn check_operation(operation: &str) -> Result<(), Refusal> {
    if operation == OPERATION { Ok(()) } else { Err(unknown_operation(operation)) }
}

fn unknown_operation(name: impl Display) -> Refusal {
    let name: String = name.to_string().chars().filter(char::is_ascii_graphic).take(100).collect();
    Refusal::NotFound(format!("This gateway takes {OPERATION} of CloudWatch, and not \"{name}\"."))
}

/// The body must say that it is JSON: a form, or text of no declared kind, is what a page of any origin may send without
/// asking.
fn check_json(request: &Request) -> Result<(), Refusal> {
    let is_json = request.media_type().is_some_and(|media| {
        matches!(media.as_str(), "application/json" | "application/x-amz-json-1.0" | "application/x-amz-json-1.1")
    });
    if is_json { Ok(()) } else { Err(Refusal::MediaType("The content-type must be application/json.".to_owned())) }
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
            Err(Refusal::Faulty(faults))
        }
    }
}

/// For the fuzz targets: reads a body of a protocol as a post would be, with whatever faults.
#[doc(hidden)]
pub fn read_any(protocol: Protocol, body: &[u8], reading: &Reading<'_>) -> Option<Posting> {
    let mut faults = ValidationErrors::new(protocol.path_style());
    let requests = match protocol {
        Protocol::Plain => PutMetricData::read_batch(&json::decode(body).ok()?, reading, &mut faults)?,
        Protocol::Json => vec![PutMetricData::read(&json::decode(body).ok()?, reading, &mut faults)?],
        Protocol::Cbor => vec![PutMetricData::read(&cbor::decode(body).ok()?, reading, &mut faults)?],
        Protocol::Query => vec![PutMetricData::read(&query::decode(body).ok()?.fields, reading, &mut faults)?],
    };
    Some(post(requests, reading.now))
}
