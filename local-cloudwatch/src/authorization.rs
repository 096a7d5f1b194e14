//! Parses the `Authorization` header of Signature Version 4.

use axum::http::HeaderMap;

use crate::error::{ApiError, ErrorKind};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A parsed `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationHeader<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
    pub(crate) signed_headers: Vec<&'a str>,
    pub(crate) signature: &'a str,
}

impl<'a> AuthorizationHeader<'a> {
    /// Returns the access key ID of a request without verifying it.
    pub(crate) fn access_key_id(headers: &'a HeaderMap) -> Option<&'a str> {
        Self::parse(headers).ok().map(|authorization| authorization.access_key_id)
    }

    /// Parses the header.
    pub(crate) fn parse(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = text(headers, "authorization") else {
            let message = "Request is missing Authentication Token";
            return Err(ApiError::new(ErrorKind::MissingAuthenticationToken, message));
        };
        let Some(parameters) = value.strip_prefix(ALGORITHM) else {
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': the Authorization header must use {ALGORITHM}."
            )));
        };
        let find = |name: &str| {
            parameters
                .split(',')
                .filter_map(|parameter| parameter.trim().split_once('='))
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
        };
        let credential = find("Credential")?;
        let (signed_headers, signature) = (find("SignedHeaders")?, find("Signature")?);
        let mut parts = credential.rsplitn(5, '/');
        let (Some(terminator), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                                   keyid/date/region/service/term.",
            ));
        };
        let signed_headers = signed_headers.split(';').collect();
        Ok(Self { access_key_id, date, region, service, terminator, signed_headers, signature })
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn incomplete(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::IncompleteSignature, message)
}
