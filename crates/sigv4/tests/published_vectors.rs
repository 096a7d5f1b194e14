//! Requests that AWS publishes with their signatures: the IAM `ListUsers` example of the AWS General Reference and the
//! Signature Version 4 test suite (`aws-sig-v4-test-suite`).
#![allow(clippy::unwrap_used)]

use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signer, SigningScope};

/// 2015-08-30T12:36:00Z, the time of all of them.
const SIGNED_AT: i64 = 1_440_938_160;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const GET: SignableRequest<'_> = SignableRequest {
    method: "GET",
    host: "example.amazonaws.com",
    path: "/",
    query: "",
    headers: &[],
    body: b"",
    payload_hash: PayloadHash::Implied,
};
const POST: SignableRequest<'_> = SignableRequest { method: "POST", ..GET };

fn authorization(request: &SignableRequest<'_>, service: &str, token: Option<&str>) -> String {
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, token).unwrap();
    let mut signer = Signer::new(credentials, SigningScope::new("us-east-1", service).unwrap());
    let signed = signer.sign(request, SIGNED_AT).unwrap();
    signed.headers().find(|(name, _)| *name == "authorization").unwrap().1.to_owned()
}

fn suite(name: &str, request: &SignableRequest<'_>, token: Option<&str>, signed_headers: &str, signature: &str) {
    assert_eq!(
        authorization(request, "service", token),
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={signed_headers}, Signature={signature}"
        ),
        "{name}"
    );
}

#[test]
fn iam_list_users() {
    let request = SignableRequest {
        host: "iam.amazonaws.com",
        query: "Action=ListUsers&Version=2010-05-08",
        headers: &[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
        ..GET
    };
    assert_eq!(
        authorization(&request, "iam", None),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn paths() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for (name, path, signature) in [
        ("get-vanilla", "/", vanilla),
        ("get-relative", "/example/..", vanilla),
        ("get-relative-relative", "/example1/example2/../..", vanilla),
        ("get-slash-dot-slash", "/./", vanilla),
        ("get-slash", "//", vanilla),
        ("get-slash-pointless-dot", "/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        ("get-slashes", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("get-space", "/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        ("get-utf8", "/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "get-unreserved",
            &format!("/{UNRESERVED}"),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
    ] {
        suite(name, &SignableRequest { path, ..GET }, None, "host;x-amz-date", signature);
    }
}

#[test]
fn queries() {
    let unreserved = format!("{UNRESERVED}={UNRESERVED}");
    for (name, query, signature) in [
        (
            "get-vanilla-empty-query-key",
            "Param1=value1",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-encoded",
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "get-vanilla-query-order-key-case",
            "Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-query-unreserved",
            &unreserved,
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        ("get-vanilla-utf8-query", "ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ] {
        suite(name, &SignableRequest { query, ..GET }, None, "host;x-amz-date", signature);
    }
    let signature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11";
    suite(
        "post-vanilla-query",
        &SignableRequest { query: "Param1=value1", ..POST },
        None,
        "host;x-amz-date",
        signature,
    );
}

#[test]
fn headers() {
    for (name, request, signed_headers, signature) in [
        (
            "get-header-key-duplicate",
            SignableRequest {
                headers: &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
                ..GET
            },
            "host;my-header1;x-amz-date",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-order",
            SignableRequest {
                headers: &[
                    ("My-Header1", "value4"),
                    ("My-Header1", "value1"),
                    ("My-Header1", "value3"),
                    ("My-Header1", "value2"),
                ],
                ..GET
            },
            "host;my-header1;x-amz-date",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            SignableRequest { headers: &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")], ..GET },
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-header-key-sort",
            SignableRequest { headers: &[("My-Header1", "value1")], ..POST },
            "host;my-header1;x-amz-date",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-header-value-case",
            SignableRequest { headers: &[("My-Header1", "VALUE1")], ..POST },
            "host;my-header1;x-amz-date",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        (
            "post-header-key-case",
            POST,
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
    ] {
        suite(name, &request, None, signed_headers, signature);
    }
}

#[test]
fn bodies() {
    let form = SignableRequest { body: b"Param1=value1", payload_hash: PayloadHash::Header, ..POST };
    let signed_headers = "content-length;content-type;host;x-amz-content-sha256;x-amz-date";
    for (name, content_type, signature) in [
        (
            "post-x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ),
        (
            "post-x-www-form-urlencoded-parameters",
            "application/x-www-form-urlencoded; charset=utf-8",
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ),
    ] {
        let headers = [("Content-Type", content_type), ("Content-Length", "13")];
        suite(name, &SignableRequest { headers: &headers, ..form }, None, signed_headers, signature);
    }
}

#[test]
fn temporary_credentials() {
    for (name, request, token, signature) in [
        (
            "get-vanilla-with-session-token",
            GET,
            "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
        (
            "post-sts-header-before",
            POST,
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD\
             8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6\
             q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJa\
             bIQwj2ICCR/oLxBA==",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ] {
        suite(name, &request, Some(token), "host;x-amz-date;x-amz-security-token", signature);
    }
}
