//! The calls that the server has received, as tests and the page read them.

use std::collections::VecDeque;

use serde::Serialize;

use crate::call_protocol::CallProtocol;

/// Number of calls that are kept; older ones are discarded.
pub(crate) const MAX_CALLS: usize = 50_000;
/// Maximum number of characters kept of each text in a call.
const MAX_CHARS: usize = 4_000;

/// An API call and its response.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ApiCall {
    /// Sequence number, starting at 1.
    pub number: u64,
    /// Time of arrival on the server's clock, in milliseconds since the epoch.
    pub time_millis: i64,
    /// `PutMetricData`, `ListMetrics`, …; `ExportMetrics` for OTLP; empty if unknown.
    pub operation: String,
    /// The protocol of the call.
    pub protocol: CallProtocol,
    /// The access key in the `Authorization` header; empty if absent.
    pub access_key_id: String,
    /// The `Namespace` of PutMetricData; empty if unknown.
    pub namespace: String,
    /// Bytes of the body as sent.
    pub body_bytes: usize,
    /// Bytes of the body after decompression; 0 if the call failed before.
    pub raw_bytes: usize,
    /// Number of data in PutMetricData, including `EntityMetricData`, or of data points in ExportMetrics.
    pub data: usize,
    /// Number of data points that a successful ExportMetrics call rejected.
    pub rejected_data: usize,
    /// True if the data was stored.
    pub is_stored: bool,
    /// The HTTP status; `None` if the connection was dropped without a response.
    pub status: Option<u16>,
    /// The error code, as the protocol of the call names it.
    pub code: Option<String>,
    /// The error message, or why data points were rejected, cut after 4,000 characters.
    pub message: Option<String>,
    /// The `User-Agent` header; empty if absent.
    pub user_agent: String,
}

impl ApiCall {
    /// Shortens the texts whose length a client chose.
    fn truncate_texts(&mut self) {
        let texts = [&mut self.operation, &mut self.access_key_id, &mut self.namespace, &mut self.user_agent];
        for text in texts.into_iter().chain(&mut self.code).chain(&mut self.message) {
            if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
                text.truncate(end);
            }
        }
    }
}

/// The latest calls, and totals over all calls.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    calls: VecDeque<ApiCall>,
    received: u64,
    /// Number of PutMetricData and ExportMetrics calls whose data was stored.
    pub(crate) accepted: u64,
    /// Number of calls that failed or were dropped before their data was stored.
    pub(crate) rejected: u64,
    /// Number of stored data.
    pub(crate) data: u64,
}

impl CallLog {
    /// Numbers and appends a call.
    pub(crate) fn push(&mut self, mut call: ApiCall) {
        self.received += 1;
        call.number = self.received;
        call.truncate_texts();
        if call.is_stored {
            self.accepted += 1;
            self.data += call.data.saturating_sub(call.rejected_data) as u64;
        } else if call.status != Some(200) {
            self.rejected += 1;
        }
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Iterates over the calls in order of arrival.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &ApiCall> {
        self.calls.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn call(status: Option<u16>, is_stored: bool) -> ApiCall {
        ApiCall {
            number: 0,
            time_millis: 0,
            operation: "PutMetricData".into(),
            protocol: CallProtocol::Json,
            access_key_id: "local".into(),
            namespace: "n".into(),
            body_bytes: 10,
            raw_bytes: 10,
            data: 3,
            rejected_data: 0,
            is_stored,
            status,
            code: None,
            message: None,
            user_agent: String::new(),
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        let of = |chars: usize| {
            let mut log = CallLog::default();
            log.push(ApiCall { message: Some("é".repeat(chars)), ..call(Some(400), false) });
            log.iter().next().unwrap().message.as_ref().unwrap().chars().count()
        };
        assert_eq!([MAX_CHARS - 1, MAX_CHARS, MAX_CHARS + 1].map(of), [MAX_CHARS - 1, MAX_CHARS, MAX_CHARS]);
    }

    #[test]
    fn calls_are_numbered_counted_and_bounded() {
        let mut log = CallLog::default();
        log.push(call(Some(200), true));
        log.push(call(Some(400), false));
        log.push(call(None, true));
        log.push(call(None, false));
        log.push(ApiCall { rejected_data: 1, ..call(Some(200), true) });
        assert_eq!((log.accepted, log.rejected, log.data), (3, 2, 8));
        for _ in 0..MAX_CALLS {
            log.push(call(Some(200), true));
        }
        assert_eq!(log.iter().count(), MAX_CALLS);
        assert_eq!(log.iter().next().unwrap().number, 6);
    }
}
