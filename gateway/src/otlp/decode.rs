//! Decodes exports within a bound of memory.

use acpw_config::PathStyle;
use acpw_otlp::ExportMetricsServiceRequest;
use prost::Message as _;

use super::{encoding::Encoding, json::read, weight};
use crate::{fault::ValidationErrors, protocol::json};

/// The reason why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The body does not have the encoding. The text continues the words "The request".
    Malformed(String),
    /// The body has the encoding, but is not an export.
    Invalid(ValidationErrors),
    /// The decoded export would take too much memory.
    TooLarge,
}

/// Decodes an export.
///
/// # Errors
/// See [`DecodeError`]. The memory that an export would take is checked before it is decoded.
pub fn decode(encoding: Encoding, body: &[u8]) -> Result<ExportMetricsServiceRequest, DecodeError> {
    let is_light = match encoding {
        Encoding::Protobuf => weight::is_light_protobuf(body),
        Encoding::Json => weight::is_light_json(body),
    };
    if !is_light {
        return Err(DecodeError::TooLarge);
    }
    match encoding {
        Encoding::Protobuf => ExportMetricsServiceRequest::decode(body)
            .map_err(|error| DecodeError::Malformed(format!("is not an OTLP export in protobuf: {error}"))),
        Encoding::Json => {
            let node = json::decode(body).map_err(DecodeError::Malformed)?;
            let mut faults = ValidationErrors::new(PathStyle::Plain);
            let request = read(&node, &mut faults);
            if faults.is_empty() { Ok(request) } else { Err(DecodeError::Invalid(faults)) }
        }
    }
}
