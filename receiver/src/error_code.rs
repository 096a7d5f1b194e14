//! Parses AWS's errors, and classifies their codes.

use serde_json::Value;

use crate::xml::{element, unescaped};

/// The maximum length of a code. AWS's longest code has 40 characters.
const CODE_LIMIT: usize = 128;

/// A class of error codes that are handled in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The account exceeds a rate limit.
    Throttled,
    /// CloudWatch failed.
    ServiceFault,
    /// The signature is invalid, possibly because of a wrong clock.
    Signature,
    /// The credentials are unknown or have expired.
    Credentials,
    /// The account or its policies do not allow the request.
    Denied,
    /// Some of the data is invalid.
    InvalidData,
    /// The request has more bytes than CloudWatch accepts.
    TooLarge,
    /// The service does not support PutMetricData, so it is not CloudWatch.
    NotCloudWatch,
}

impl ErrorClass {
    /// Returns the class of a code of AWS's JSON protocol or of its older Query protocol.
    pub fn of_code(code: &str) -> Option<Self> {
        // The names of the JSON protocol end in "Exception".
        Some(match code.strip_suffix("Exception").unwrap_or(code) {
            "Throttling"
            | "Throttled"
            | "RequestThrottled"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceeded"
            | "ProvisionedThroughputExceeded"
            | "SlowDown"
            | "PriorRequestNotComplete" => Self::Throttled,
            "InternalServiceError"
            | "InternalServiceFault"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "RequestTimeout" => Self::ServiceFault,
            "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "AuthFailure"
            | "RequestTimeTooSkewed"
            | "RequestExpired" => Self::Signature,
            "ExpiredToken"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "IncompleteSignature" => Self::Credentials,
            "AccessDenied" | "NotAuthorized" | "OptInRequired" => Self::Denied,
            "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "MissingParameter"
            | "MissingRequiredParameter"
            | "ValidationError"
            | "Validation"
            | "Serialization"
            | "MalformedInput"
            | "MalformedQueryString" => Self::InvalidData,
            "RequestEntityTooLarge" => Self::TooLarge,
            "InvalidAction" | "UnknownOperation" => Self::NotCloudWatch,
            _ => return None,
        })
    }
}

/// The code and message of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsError {
    /// The code without namespace and URL, or an empty string.
    pub code: String,
    /// The message, or the whole body if it is neither AWS's JSON nor AWS's XML.
    pub message: String,
}

impl AwsError {
    /// Parses an error, given the codes in its headers, the most specific one first, and its body.
    ///
    /// AWS writes the code to `x-amzn-query-error`, to `x-amzn-errortype`, to `__type`, `code` or `Code` in JSON, and
    /// to `Code` in XML. If they differ, a throttling code has precedence, because mistaking it for another error could
    /// drop data. The first known code comes next, then the first code.
    pub fn parse(header_codes: &[&str], body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let (mut codes, message) = match serde_json::from_slice(body) {
            Ok(Value::Object(document)) => parse_json(&document),
            _ => parse_xml(&text).unwrap_or_else(|| (Vec::new(), text.into_owned())),
        };
        let headers = header_codes.iter().map(|code| (*code).to_owned());
        codes = headers.chain(codes).map(|code| strip_code(&code)).filter(|code| !code.is_empty()).collect();
        let throttled = codes.iter().find(|code| ErrorClass::of_code(code) == Some(ErrorClass::Throttled));
        let known = || codes.iter().find(|code| ErrorClass::of_code(code).is_some());
        let code = throttled.or_else(known).or(codes.first()).cloned().unwrap_or_default();
        Self { code, message }
    }
}

fn parse_json(document: &serde_json::Map<String, Value>) -> (Vec<String>, String) {
    // JSON answers of the Query protocol nest the error.
    let inner = document.get("Error").and_then(Value::as_object).unwrap_or(document);
    let texts = |names: &[&str]| -> Vec<String> {
        names.iter().filter_map(|name| inner.get(*name).and_then(Value::as_str)).map(str::to_owned).collect()
    };
    let message = texts(&["message", "Message", "errorMessage"]).into_iter().next().unwrap_or_default();
    (texts(&["__type", "code", "Code"]), message)
}

fn parse_xml(text: &str) -> Option<(Vec<String>, String)> {
    let error = element(text, "Error")?;
    let code = element(error, "Code")?;
    let message = element(error, "Message").map(unescaped).unwrap_or_default();
    Some((vec![unescaped(code)], message))
}

/// Removes the prefix and suffix of a code: `com.amazonaws.cloudwatch#Throttling:http://…`, `Throttling;Sender`.
fn strip_code(code: &str) -> String {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let code = code.split([':', ';', ',']).next().unwrap_or_default();
    code.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(CODE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn throttling_is_found_in_every_header_and_format() {
        let xml = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>Throttling</Code>\
            <Message>Rate &amp; exceeded</Message></Error><RequestId>i</RequestId></ErrorResponse>";
        let cases: [(&[&str], &str); 9] = [
            (&["Throttling;Sender"], ""),
            (&["com.amazonaws.cloudwatch#ThrottlingException:http://internal.amazon.com/"], "{}"),
            (&["ThrottlingException"], "<html>"),
            (&["InvalidParameterValue;Sender", "ThrottlingException"], "{}"),
            (&["InvalidParameterValue"], r#"{"__type":"a#Throttling:http://x/"}"#),
            (&[], r#"{"code":"ThrottlingException"}"#),
            (&[], r#"{"Code":"Throttling","__type":"ValidationError"}"#),
            (&[], r#"{"Error":{"Code":"Throttling"}}"#),
            (&[], xml),
        ];
        for (headers, body) in cases {
            let error = AwsError::parse(headers, body.as_bytes());
            assert_eq!(ErrorClass::of_code(&error.code), Some(ErrorClass::Throttled), "{headers:?} {body} {error:?}");
        }
        assert_eq!(AwsError::parse(&[], xml.as_bytes()).message, "Rate & exceeded");
    }

    #[test]
    fn a_known_code_has_precedence_over_an_unknown_one() {
        let error = AwsError::parse(&["Odd"], br#"{"__type":"x#AccessDeniedException","message":"m"}"#);
        assert_eq!((error.code.as_str(), error.message.as_str()), ("AccessDeniedException", "m"));
        assert_eq!(AwsError::parse(&["Odd", "Other"], b"").code, "Odd");
        assert_eq!(AwsError::parse(&[], br#"{"code":7,"Code":["x"]}"#).code, "");
        let html = AwsError::parse(&[], b"<html><Code>Throttling</Code></html>");
        assert_eq!((html.code.as_str(), html.message.as_str()), ("", "<html><Code>Throttling</Code></html>"));
    }

    proptest! {
        /// A mutation of one field changes only the value parsed from it.
        #[test]
        fn a_changed_field_changes_only_its_own_value(field in 0usize..4, text in "[ -~]{0,40}") {
            let names = ["__type", "message", "other", "Type"];
            let mut document = serde_json::json!({
                "__type": "x#AccessDenied", "message": "m", "other": "o", "Type": "Sender",
            });
            document[names[field]] = text.clone().into();
            let error = AwsError::parse(&[], document.to_string().as_bytes());
            let code = if field == 0 { strip_code(&text) } else { "AccessDenied".to_owned() };
            let message = if field == 1 { text } else { "m".to_owned() };
            prop_assert_eq!(error, AwsError { code, message });
        }

        #[test]
        fn any_bytes_give_a_code_of_bounded_length(headers in prop::collection::vec(".*", 0..3), body: Vec<u8>) {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            let error = AwsError::parse(&headers, &body);
            prop_assert!(error.code.len() <= CODE_LIMIT);
        }
    }
}
