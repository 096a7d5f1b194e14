//! Reasons to refuse a request, with their HTTP status, AWS error code and message.

use crate::{
    authorization::Denial,
    body::{BodyError, MAX_BODY_BYTES},
    fault::{self, ValidationErrorKind, ValidationErrors},
    otlp::decode::DecodeError,
    protocol::Protocol,
};

/// The reason why a request is refused. None of its data was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request breaks rules.
    Invalid(ValidationErrors),
    /// The body is not in the declared format. The text continues the words "The request".
    Malformed(String),
    /// The path or the operation does not exist.
    NotFound(String),
    /// The path supports only these methods.
    MethodNotAllowed(&'static str),
    /// The body is larger than [`MAX_BODY_BYTES`].
    TooLarge,
    /// The metrics of an OTLP export take too much memory when they are decoded.
    DecodedTooLarge,
    /// The content type or the encoding of the body is not supported.
    UnsupportedMediaType(String),
    /// The credentials are missing or wrong.
    Unauthorized(Denial),
    /// A GET request has a form of the Query protocol in its query string.
    FormNotPosted,
    /// The request comes from a web page whose origin is not allowed.
    OriginNotAllowed,
    /// The receiver's buffer is full.
    BufferFull,
    /// The data takes more memory than the receiver's buffer ever has for posts.
    ExceedsBuffer {
        /// The bytes that the data takes.
        needed: u64,
        /// The bytes that the buffer has for posts.
        capacity: u64,
    },
    /// No receiver is running.
    NoReceiver,
    /// The receiver and the gateway are from different releases.
    OtherRelease,
}

impl Refusal {
    /// Returns the HTTP status. In CloudWatch's protocols a missing or wrong signature gives 403, and in Query an
    /// unknown operation gives 400.
    pub fn status(&self, protocol: Protocol) -> u16 {
        match (self, protocol) {
            (Self::Invalid(_) | Self::Malformed(_), _) => 400,
            (Self::NotFound(_), Protocol::Query) => 400,
            (Self::NotFound(_), _) => 404,
            (Self::MethodNotAllowed(_) | Self::FormNotPosted, _) => 405,
            (Self::TooLarge | Self::DecodedTooLarge | Self::ExceedsBuffer { .. }, _) => 413,
            (Self::UnsupportedMediaType(_), _) => 415,
            (Self::Unauthorized(_), Protocol::Plain | Protocol::Otlp(_)) => 401,
            (Self::Unauthorized(_) | Self::OriginNotAllowed, _) => 403,
            (Self::BufferFull, _) => 429,
            (Self::NoReceiver | Self::OtherRelease, _) => 503,
        }
    }

    /// Returns the AWS error code: the shape's name in JSON and CBOR, the older code in Query.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        let (shape, code) = match self {
            Self::Invalid(faults) => match fault::kind(faults) {
                ValidationErrorKind::Type => ("SerializationException", "MalformedInput"),
                ValidationErrorKind::Missing => ("MissingRequiredParameterException", "MissingParameter"),
                ValidationErrorKind::Combination => {
                    ("InvalidParameterCombinationException", "InvalidParameterCombination")
                }
                ValidationErrorKind::Value => ("InvalidParameterValueException", "InvalidParameterValue"),
            },
            Self::Malformed(_) | Self::UnsupportedMediaType(_) => ("SerializationException", "MalformedInput"),
            Self::NotFound(_) | Self::MethodNotAllowed(_) | Self::FormNotPosted => {
                ("UnknownOperationException", "InvalidAction")
            }
            Self::TooLarge | Self::DecodedTooLarge | Self::ExceedsBuffer { .. } => {
                ("RequestEntityTooLarge", "RequestEntityTooLarge")
            }
            Self::Unauthorized(_) | Self::OriginNotAllowed => ("AccessDeniedException", "AccessDenied"),
            Self::BufferFull => ("ThrottlingException", "Throttling"),
            Self::NoReceiver | Self::OtherRelease => ("ServiceUnavailableException", "ServiceUnavailable"),
        };
        if protocol == Protocol::Query { code } else { shape }
    }

    /// Returns the Query protocol's error code, which clients of JSON and CBOR can request with `x-amzn-query-mode`.
    pub fn query_code(&self) -> &'static str {
        self.code(Protocol::Query)
    }

    /// Returns the party at fault, `Sender` or `Receiver`, as the Query protocol calls them.
    pub fn fault(&self) -> &'static str {
        if self.status(Protocol::Query) >= 500 { "Receiver" } else { "Sender" }
    }

    /// Returns the gRPC code, which answers to OTLP exports have.
    pub fn grpc_code(&self) -> i32 {
        match self {
            Self::Invalid(_) | Self::Malformed(_) | Self::UnsupportedMediaType(_) => 3,
            Self::OriginNotAllowed => 7,
            Self::TooLarge | Self::DecodedTooLarge | Self::ExceedsBuffer { .. } | Self::BufferFull => 8,
            Self::NotFound(_) | Self::MethodNotAllowed(_) | Self::FormNotPosted => 12,
            Self::NoReceiver | Self::OtherRelease => 14,
            Self::Unauthorized(_) => 16,
        }
    }

    /// Returns the number of seconds after which the client should retry, if retrying can help.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::BufferFull => Some(5),
            Self::NoReceiver => Some(1),
            _ => None,
        }
    }

    /// Returns what is wrong and what to do about it.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid(faults) => fault::message(faults),
            Self::Malformed(what) => format!("The request {what}."),
            Self::NotFound(what) => what.clone(),
            Self::MethodNotAllowed(allowed) => format!("This path supports only {allowed}."),
            Self::TooLarge => {
                format!(
                    "The body must have at most {MAX_BODY_BYTES} bytes, compressed and decompressed; send the data in \
                     several requests."
                )
            }
            Self::DecodedTooLarge => {
                "The metrics take too much memory when they are decoded; send fewer data points in an export.".to_owned()
            }
            Self::UnsupportedMediaType(what) => what.clone(),
            Self::Unauthorized(denial) => denial.message.clone(),
            Self::FormNotPosted => {
                "Send the form in the body of a POST request. GET is refused because any web page can make a browser send \
                 one."
                    .to_owned()
            }
            Self::OriginNotAllowed => {
                "Web pages of this origin may not use the gateway; add the origin to cors_allow_origins to allow them."
                    .to_owned()
            }
            Self::BufferFull => {
                "The receiver's buffer is full because CloudWatch accepts data too slowly or not at all; retry later."
                    .to_owned()
            }
            Self::NoReceiver => {
                "No receiver is running to publish the data; check that receiver.wasm is configured and has started."
                    .to_owned()
            }
            Self::ExceedsBuffer { needed, capacity } => format!(
                "The data takes {needed} bytes of memory, but the receiver has at most {capacity} for posts; send the \
                 data in several requests, or raise the receiver's buffer_limit_bytes."
            ),
            Self::OtherRelease => {
                "The receiver and the gateway are from different releases; use receiver.wasm and gateway.wasm of the same release.".to_owned()
            }
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge => Self::DecodedTooLarge,
            DecodeError::Malformed(what) => Self::Malformed(what),
            DecodeError::Invalid(faults) => Self::Invalid(faults),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::NotGzip(what) => Self::Malformed(format!("is not valid gzip: {what}")),
        }
    }
}
