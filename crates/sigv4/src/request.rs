//! What is signed.

/// A request as it will be sent. What differs on the wire from what stands here makes AWS answer
/// `SignatureDoesNotMatch`.
#[derive(Clone, Copy)]
pub struct SignableRequest<'a> {
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The `Host` or `:authority` as sent, with the port only if it is sent. It is always signed.
    pub host: &'a str,
    /// The path as sent, percent-encoded once and without the query; empty means `/`.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: &'a str,
    /// The further headers to be signed, names in any case. AWS requires `content-type`, if it is sent, and all
    /// `x-amz-*`. Leave out what a proxy may rewrite: `user-agent`, `x-amzn-trace-id`, hop-by-hop headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body as sent, that is, after any content coding.
    pub body: &'a [u8],
    /// Where the body's hash goes.
    pub payload_hash: PayloadHash,
}

/// Where the SHA-256 of the body goes; the signature covers it either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// Into the signature only: what CloudWatch, STS and most services expect.
    Implied,
    /// Also into a signed `x-amz-content-sha256` header.
    Header,
}
