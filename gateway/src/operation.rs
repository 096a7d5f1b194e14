//! The operation of a request: a path of the gateway or an operation of CloudWatch's API.

use std::fmt::Display;

use crate::{otlp::encoding::Encoding, refusal::Refusal, request::Request};

const SERVICE: &str = "GraniteServiceVersion20100801";
const OPERATION: &str = "PutMetricData";

/// The operation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Metrics,
    Batch,
    Flush,
    /// An export of OTLP metrics.
    Export(Encoding),
    /// An operation of CloudWatch's API, if the head contains its name.
    Api(Option<String>),
}

impl Operation {
    /// Returns the operation of CloudWatch's API in a request head.
    pub(crate) fn from_api(request: &Request) -> Result<Self, Refusal> {
        let check_service = |service: &str, operation: &str| {
            if service == SERVICE { Ok(Self::Api(Some(operation.to_owned()))) } else { Err(unknown_operation(service)) }
        };
        if let Some(rest) = request.path().strip_prefix("/service/") {
            let (service, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let operation = rest.strip_prefix("operation/").unwrap_or_default();
            return match request.text("smithy-protocol") {
                Some("rpc-v2-cbor") => check_service(service, operation),
                _ => Err(Refusal::UnsupportedMediaType("The smithy-protocol header must be rpc-v2-cbor.".to_owned())),
            };
        }
        if let Some(target) = request.text("x-amz-target") {
            let (service, operation) = target.split_once('.').unwrap_or((target, ""));
            return check_service(service, operation);
        }
        match request.media_type().as_deref() {
            Some("application/x-www-form-urlencoded") => Ok(Self::Api(None)),
            _ => {
                let message = "This path accepts requests of CloudWatch's API: JSON 1.0 with an x-amz-target header, \
                               or a form; post plain JSON to /metrics.";
                Err(Refusal::UnsupportedMediaType(message.to_owned()))
            }
        }
    }
}

/// Returns true for a path of the CBOR protocol, such as
/// `/service/GraniteServiceVersion20100801/operation/PutMetricData`.
pub(crate) fn is_cbor(path: &str) -> bool {
    path.starts_with("/service/")
}

/// Checks that the name of an operation is PutMetricData.
pub(crate) fn check_operation(operation: &str) -> Result<(), Refusal> {
    if operation == OPERATION { Ok(()) } else { Err(unknown_operation(operation)) }
}

fn unknown_operation(name: impl Display) -> Refusal {
    let name: String = name.to_string().chars().filter(char::is_ascii_graphic).take(100).collect();
    Refusal::NotFound(format!("The gateway does not support \"{name}\"; it supports only {OPERATION} of CloudWatch."))
}

/// Returns the encoding of an OTLP export.
pub(crate) fn export_encoding(request: &Request) -> Result<Encoding, Refusal> {
    request.media_type().as_deref().and_then(Encoding::from_media_type).ok_or_else(|| {
        let message = "The content-type must be application/x-protobuf or application/json.";
        Refusal::UnsupportedMediaType(message.to_owned())
    })
}

/// Checks that the content type is JSON. Browsers let any page send forms and plain text to other origins.
pub(crate) fn check_json(request: &Request) -> Result<(), Refusal> {
    let is_json = request.media_type().is_some_and(|media| {
        matches!(media.as_str(), "application/json" | "application/x-amz-json-1.0" | "application/x-amz-json-1.1")
    });
    if is_json {
        Ok(())
    } else {
        Err(Refusal::UnsupportedMediaType("The content-type must be application/json.".to_owned()))
    }
}
