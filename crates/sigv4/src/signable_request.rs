//! The request to sign.

/// A request as it will be sent. If the request on the wire differs, AWS answers `SignatureDoesNotMatch`.
#[derive(Clone, Copy)]
pub struct SignableRequest<'a> {
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The value of `Host` or `:authority`, with the port only if it is sent. It is always signed.
    pub host: &'a str,
    /// The path, percent-encoded once and without the query. An empty path means `/`.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: &'a str,
    /// Further headers to sign, with names in any case. AWS requires `content-type`, if it is sent, and all `x-amz-*`.
    /// Omit headers that a proxy may rewrite, such as `user-agent`, `x-amzn-trace-id` and hop-by-hop headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body after any content coding.
    pub body: &'a [u8],
    /// The placement of the body's hash.
    pub payload_hash: PayloadHash,
}

/// The placement of the body's SHA-256. The signature covers the hash in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// The hash is part of the signature only, as CloudWatch, STS and most other services expect.
    Implied,
    /// The hash is also sent in a signed `x-amz-content-sha256` header.
    Header,
}
