//! Why a request is not carried out: what AWS calls it, and what HTTP does.

use crate::{
    authorization::Denial,
    body::{BodyError, MAX_BODY_BYTES},
    fault::{self, ValidationErrorKind, ValidationErrors},
    protocol::Protocol,
};

/// A request that is not carried out. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has faults.
    Faulty(ValidationErrors),
    /// Its body is not what it says it is.
    Unreadable(String),
    /// There is nothing at this path, or no such operation.
    NotFound(String),
    /// The path takes other methods: these.
    Method(&'static str),
    /// The body is too long.
    TooLarge,
    /// The body is of a kind that is not taken here.
    MediaType(String),
    /// It does not show that it may.
    Unauthorized(Denial),
    /// It asks by GET for what has to be posted.
    NotPosted,
    /// A page of another origin sent it.
    Origin,
    /// The receiver's buffer is full.
    Full,
    /// The data take more memory than the receiver's buffer ever has for posts.
    ExceedsBuffer {
        /// The bytes that they take.
        needed: u64,
        /// The bytes that there are.
        capacity: u64,
    },
    /// There is no receiver.
    NoReceiver,
    /// The receiver is of another release.
    OtherRelease,
}

impl Refusal {
    /// HTTP's status. In CloudWatch's API a request without a good signature has 403, and an unknown operation 400 in Query.
    pub fn status(&self, protocol: Protocol) -> u16 {
        match (self, protocol) {
            (Self::Faulty(_) | Self::Unreadable(_), _) => 400,
            (Self::NotFound(_), Protocol::Query) => 400,
            (Self::NotFound(_), _) => 404,
            (Self::Method(_) | Self::NotPosted, _) => 405,
            (Self::TooLarge | Self::ExceedsBuffer { .. }, _) => 413,
            (Self::MediaType(_), _) => 415,
            (Self::Unauthorized(_), Protocol::Plain) => 401,
            (Self::Unauthorized(_) | Self::Origin, _) => 403,
            (Self::Full, _) => 429,
            (Self::NoReceiver | Self::OtherRelease, _) => 503,
        }
    }

    /// AWS's name of the error: the shape's in JSON and CBOR, the older code in Query.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        let (shape, code) = match self {
            Self::Faulty(faults) => match fault::kind(faults) {
                ValidationErrorKind::Type => ("SerializationException", "MalformedInput"),
                ValidationErrorKind::Missing => ("MissingRequiredParameterException", "MissingParameter"),
                ValidationErrorKind::Combination => {
                    ("InvalidParameterCombinationException", "InvalidParameterCombination")
                }
                ValidationErrorKind::Value => ("InvalidParameterValueException", "InvalidParameterValue"),
            },
            Self::Unreadable(_) | Self::MediaType(_) => ("SerializationException", "MalformedInput"),
            Self::NotFound(_) | Self::Method(_) | Self::NotPosted => ("UnknownOperationException", "InvalidAction"),
            Self::TooLarge | Self::ExceedsBuffer { .. } => ("RequestEntityTooLarge", "RequestEntityTooLarge"),
            Self::Unauthorized(_) | Self::Origin => ("AccessDeniedException", "AccessDenied"),
            Self::Full => ("ThrottlingException", "Throttling"),
            Self::NoReceiver | Self::OtherRelease => ("ServiceUnavailableException", "ServiceUnavailable"),
        };
        if protocol == Protocol::Query { code } else { shape }
    }

    /// The older code, which a client of JSON or CBOR can ask for in a header.
    pub fn query_code(&self) -> &'static str {
        self.code(Protocol::Query)
    }

    /// Whose fault it is, in Query's words.
    pub fn fault(&self) -> &'static str {
        if self.status(Protocol::Query) >= 500 { "Receiver" } else { "Sender" }
    }

    /// For how many seconds to wait before it is worth another try.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Full => Some(5),
            Self::NoReceiver => Some(1),
            _ => None,
        }
    }

    /// What is wrong and what to do, for people.
    pub fn message(&self) -> String {
        match self {
            Self::Faulty(faults) => fault::message(faults),
            Self::Unreadable(what) => format!("The request {what}."),
            Self::NotFound(what) => what.clone(),
            Self::Method(allowed) => format!("This path takes {allowed}."),
            Self::TooLarge => {
                format!("The body must have at most {MAX_BODY_BYTES} bytes, also when it is decompressed; split it.")
            }
            Self::MediaType(what) => what.clone(),
            Self::Unauthorized(denial) => denial.message.clone(),
            Self::NotPosted => {
                "Send the form as the body of a POST: any page can make a browser send a GET.".to_owned()
            }
            Self::Origin => "Pages of this origin may not use the gateway; see cors_allow_origins.".to_owned(),
            Self::Full => {
                "The receiver's buffer is full: CloudWatch takes nothing at present, or too little.".to_owned()
            }
            Self::ExceedsBuffer { needed, capacity } => format!(
                "The data take {needed} bytes of memory, and the receiver has at most {capacity} for posts; split the \
                 request, or raise the receiver's buffer_limit_bytes."
            ),
            Self::OtherRelease => {
                "The receiver is of another release; use receiver.wasm and gateway.wasm of the same one.".to_owned()
            }
            Self::NoReceiver => "There is no receiver that would publish the data.".to_owned(),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::NotGzip(what) => Self::Unreadable(format!("is not gzip: {what}")),
        }
    }
}
