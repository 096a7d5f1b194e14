//! Codes of AWS's errors: where an answer has them, and what they mean.

use serde_json::Value;

use crate::xml::{element, unescaped};

/// Longest code that is kept. AWS's longest has 40 characters.
const CODE_LIMIT: usize = 128;

/// Meaning of a code for the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The account sends more than CloudWatch takes.
    Throttled,
    /// CloudWatch failed.
    Fault,
    /// The signature is not right, which a clock that is off also causes.
    Signature,
    /// The credentials are not known, or have expired.
    Credentials,
    /// The account or its policies do not allow the call.
    Denied,
    /// Some of the data break a rule.
    Data,
    /// The request has more bytes than CloudWatch takes.
    TooLarge,
    /// The service does not know PutMetricData, so it is not CloudWatch.
    NotCloudWatch,
}

impl Meaning {
    /// Returns the meaning of a code, in the names of AWS's JSON protocol or of its older Query protocol.
    pub fn of(code: &str) -> Option<Self> {
        // JSON's own names end in "Exception".
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
            | "RequestTimeout" => Self::Fault,
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
            | "MalformedQueryString" => Self::Data,
            "RequestEntityTooLarge" => Self::TooLarge,
            "InvalidAction" | "UnknownOperation" => Self::NotCloudWatch,
            _ => return None,
        })
    }
}

/// Code and message of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsError {
    /// The code, without namespace and URL; empty when there is none.
    pub code: String,
    /// The message; the whole body when that is neither AWS's JSON nor AWS's XML.
    pub message: String,
}

impl AwsError {
    /// Reads an error from the codes of its headers, the most specific first, and from its body.
    ///
    /// AWS names the code in `x-amzn-query-error`, in `x-amzn-errortype`, in JSON as `__type`, `code` or `Code`, and in XML
    /// as `Code`. When they differ, a code of throttling wins, wherever it stands: taking it for anything else could cost
    /// data. Then the first code that is known wins, then the first.
    pub fn read(header_codes: &[&str], body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let (mut codes, message) = match serde_json::from_slice(body) {
            Ok(Value::Object(document)) => of_json(&document),
            _ => of_xml(&text).unwrap_or_else(|| (Vec::new(), text.into_owned())),
        };
        let headers = header_codes.iter().map(|code| (*code).to_owned());
        codes = headers.chain(codes).map(|code| bare(&code)).filter(|code| !code.is_empty()).collect();
        let throttled = codes.iter().find(|code| Meaning::of(code) == Some(Meaning::Throttled));
        let known = || codes.iter().find(|code| Meaning::of(code).is_some());
        let code = throttled.or_else(known).or(codes.first()).cloned().unwrap_or_default();
        Self { code, message }
    }
}

fn of_json(document: &serde_json::Map<String, Value>) -> (Vec<String>, String) {
    // Query answers in JSON nest the error.
    let inner = document.get("Error").and_then(Value::as_object).unwrap_or(document);
    let texts = |names: &[&str]| -> Vec<String> {
        names.iter().filter_map(|name| inner.get(*name).and_then(Value::as_str)).map(str::to_owned).collect()
    };
    let message = texts(&["message", "Message", "errorMessage"]).into_iter().next().unwrap_or_default();
    (texts(&["__type", "code", "Code"]), message)
}

fn of_xml(text: &str) -> Option<(Vec<String>, String)> {
    let error = element(text, "Error")?;
    let code = element(error, "Code")?;
    let message = element(error, "Message").map(unescaped).unwrap_or_default();
    Some((vec![unescaped(code)], message))
}

/// Returns a code without what may stand around it: `com.amazonaws.cloudwatch#Throttling:http://…`, `Throttling;Sender`.
fn bare(code: &str) -> String {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let code = code.split([':', ';', ',']).next().unwrap_or_default();
    code.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(CODE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn throttling_is_found_wherever_it_is_said() {
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
            let error = AwsError::read(headers, body.as_bytes());
            assert_eq!(Meaning::of(&error.code), Some(Meaning::Throttled), "{headers:?} {body} {error:?}");
        }
        assert_eq!(AwsError::read(&[], xml.as_bytes()).message, "Rate & exceeded");
    }

    #[test]
    fn a_known_code_goes_before_an_unknown_one() {
        let error = AwsError::read(&["Odd"], br#"{"__type":"x#AccessDeniedException","message":"m"}"#);
        assert_eq!((error.code.as_str(), error.message.as_str()), ("AccessDeniedException", "m"));
        assert_eq!(AwsError::read(&["Odd", "Other"], b"").code, "Odd");
        assert_eq!(AwsError::read(&[], br#"{"code":7,"Code":["x"]}"#).code, "");
        let html = AwsError::read(&[], b"<html><Code>Throttling</Code></html>");
        assert_eq!((html.code.as_str(), html.message.as_str()), ("", "<html><Code>Throttling</Code></html>"));
    }

    proptest! {
        /// A mutation of one field changes what that field says and nothing else.
        #[test]
        fn one_changed_field_changes_only_what_it_says(field in 0usize..4, text in "[ -~]{0,40}") {
            let names = ["__type", "message", "other", "Type"];
            let mut document = serde_json::json!({
                "__type": "x#AccessDenied", "message": "m", "other": "o", "Type": "Sender",
            });
            document[names[field]] = text.clone().into();
            let error = AwsError::read(&[], document.to_string().as_bytes());
            let code = if field == 0 { bare(&text) } else { "AccessDenied".to_owned() };
            let message = if field == 1 { text } else { "m".to_owned() };
            prop_assert_eq!(error, AwsError { code, message });
        }

        #[test]
        fn any_bytes_are_read(headers in prop::collection::vec(".*", 0..3), body: Vec<u8>) {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            let error = AwsError::read(&headers, &body);
            prop_assert!(error.code.len() <= CODE_LIMIT);
        }
    }
}
