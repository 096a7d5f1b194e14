//! Access to `/v1/metrics`: Signature Version 4 as in AWS, or what other OTLP endpoints require.

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::error::{ApiError, ErrorKind};

/// The authentication that `/v1/metrics` requires. AWS requires a signature; the other variants stand in for a
/// Collector or a vendor.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum OtlpAccess {
    /// Signature Version 4 for the service `monitoring`, as for PutMetricData.
    #[default]
    Signature,
    /// The header `authorization: Bearer TOKEN` with this token.
    Bearer(String),
    /// No authentication.
    Open,
}

/// Deliberately without the token.
impl std::fmt::Debug for OtlpAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signature => "Signature",
            Self::Bearer(_) => "Bearer(…)",
            Self::Open => "Open",
        })
    }
}

/// Checks that the request has `token` as its bearer token.
pub(crate) fn check_bearer(headers: &HeaderMap, token: &str) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        let message = "The request has no authorization header; this server requires a bearer token.";
        return Err(ApiError::new(ErrorKind::MissingAuthenticationToken, message));
    };
    let sent = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match sent {
        Some((_, sent)) if bool::from(sent.trim().as_bytes().ct_eq(token.as_bytes())) => Ok(()),
        _ => Err(ApiError::new(ErrorKind::UnrecognizedClient, "The bearer token of the request is not accepted.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_configured_bearer_token_is_accepted() {
        let check = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            check_bearer(&headers, "secret").map_err(|error| error.kind().clone())
        };
        assert_eq!((check("Bearer secret"), check("bearer secret")), (Ok(()), Ok(())));
        for wrong in ["Bearer other", "Bearer ", "secret", "Basic secret"] {
            assert_eq!(check(wrong), Err(ErrorKind::UnrecognizedClient), "{wrong}");
        }
        let missing = check_bearer(&HeaderMap::new(), "secret").unwrap_err();
        assert_eq!(missing.kind(), &ErrorKind::MissingAuthenticationToken);
    }

    #[test]
    fn the_token_is_not_shown() {
        assert_eq!(format!("{:?}", OtlpAccess::Bearer("hidden".into())), "Bearer(…)");
    }
}
