//! Attributes of an ended stream.

/// An attribute that Envoy encodes as a 64-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamAttribute {
    /// The status sent to the client. Absent if the client disconnected before there was a status.
    Code,
    /// The time in nanoseconds from the first byte of the request to the end of the stream.
    Duration,
    /// The time in nanoseconds from the end of the request to the first byte of the upstream's response. Absent if
    /// there was no response.
    BackendLatency,
    /// Envoy's response flags.
    Flags,
    /// The number of attempts to reach the upstream. Absent if there was no attempt.
    Attempts,
    /// The number of received bytes, including headers.
    RequestSize,
    /// The number of sent bytes, including headers.
    ResponseSize,
    /// The size of the response body in bytes.
    ResponseBodySize,
    /// The gRPC status. Envoy also derives one for requests that are not gRPC.
    GrpcStatus,
    /// The size of the request body in bytes.
    RequestBodySize,
}

impl StreamAttribute {
    /// All attributes, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Code,
        Self::Duration,
        Self::BackendLatency,
        Self::Flags,
        Self::Attempts,
        Self::RequestSize,
        Self::ResponseSize,
        Self::ResponseBodySize,
        Self::GrpcStatus,
        Self::RequestBodySize,
    ];

    /// Returns the attribute's path, whose parts are separated by NUL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Code => "response\0code",
            Self::Duration => "request\0duration",
            Self::BackendLatency => "response\0backend_latency",
            Self::Flags => "response\0flags",
            Self::Attempts => "upstream\0request_attempt_count",
            Self::RequestSize => "request\0total_size",
            Self::ResponseSize => "response\0total_size",
            Self::ResponseBodySize => "response\0size",
            Self::GrpcStatus => "response\0grpc_status",
            Self::RequestBodySize => "request\0size",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The attributes of an ended stream, as far as the configuration needs them and Envoy has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// The values, indexed by attribute. A value is valid if its bit in `present` is set.
    values: [i64; StreamAttribute::ALL.len()],
    /// One bit per attribute.
    present: u16,
    /// True if the request has a gRPC content type.
    pub is_grpc: bool,
}

impl StreamInfo {
    /// Creates a `StreamInfo` without attributes.
    pub fn new(is_grpc: bool) -> Self {
        Self { is_grpc, ..Self::default() }
    }

    /// Sets an attribute from Envoy's encoding, eight little-endian bytes. Bytes of another length mean that it is
    /// absent.
    pub fn set(&mut self, attribute: StreamAttribute, bytes: Option<&[u8]>) {
        let value = bytes.and_then(|bytes| Some(i64::from_le_bytes(bytes.try_into().ok()?)));
        self.present &= !attribute.bit();
        if let (Some(slot), Some(value)) = (self.values.get_mut(attribute as usize), value) {
            *slot = value;
            self.present |= attribute.bit();
        }
    }

    /// Returns the value of an attribute.
    pub fn get(&self, attribute: StreamAttribute) -> Option<i64> {
        let value = self.values.get(attribute as usize).copied();
        value.filter(|_| self.present & attribute.bit() != 0)
    }

    /// Returns the status sent to the client.
    pub fn code(&self) -> Option<u16> {
        self.get(StreamAttribute::Code).and_then(|code| u16::try_from(code).ok())
    }

    /// Returns whether the upstream, rather than Envoy itself, answered the request.
    pub fn is_answered_by_upstream(&self) -> bool {
        self.get(StreamAttribute::BackendLatency).is_some()
    }

    #[cfg(test)]
    pub(crate) fn with(attributes: &[(StreamAttribute, i64)]) -> Self {
        let mut info = Self::default();
        for (attribute, value) in attributes {
            info.set(*attribute, Some(&value.to_le_bytes()));
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_present_if_it_has_eight_bytes() {
        let mut info = StreamInfo::default();
        for (index, attribute) in StreamAttribute::ALL.into_iter().enumerate() {
            assert_eq!(attribute as usize, index);
            info.set(attribute, Some(&(index as i64).to_le_bytes()));
        }
        assert!(StreamAttribute::ALL.iter().all(|attribute| info.get(*attribute) == Some(*attribute as i64)));
        for bytes in [None, Some(b"".as_slice()), Some(b"200"), Some(&[0; 9])] {
            info.set(StreamAttribute::Code, bytes);
            assert_eq!(info.code(), None);
        }
    }

    #[test]
    fn a_code_beyond_16_bits_is_absent() {
        assert_eq!(StreamInfo::with(&[(StreamAttribute::Code, 70_000)]).code(), None);
    }
}
