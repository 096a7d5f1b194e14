//! What Envoy knows of a request that has ended.

/// A number that Envoy keeps of a request, as a property of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// The status sent to the client; absent when it went away before there was one.
    Code,
    /// Nanoseconds from the first byte of the request to the end of the stream.
    Duration,
    /// Nanoseconds from the end of the request to the first byte of the upstream's answer; absent without one.
    BackendLatency,
    /// Envoy's response flags.
    Flags,
    /// Attempts to reach the upstream; absent when it was not tried.
    Attempts,
    /// Bytes received, headers included.
    RequestSize,
    /// Bytes sent, headers included.
    ResponseSize,
    /// Bytes of the answer's body.
    BodySize,
    /// The gRPC status. Envoy makes one up for requests that are not gRPC.
    GrpcStatus,
}

impl Number {
    /// Every number. The one that only gRPC requests have is the last.
    pub const ALL: [Self; 9] = [
        Self::Code,
        Self::Duration,
        Self::BackendLatency,
        Self::Flags,
        Self::Attempts,
        Self::RequestSize,
        Self::ResponseSize,
        Self::BodySize,
        Self::GrpcStatus,
    ];

    /// The property's path, its parts separated by NUL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Code => "response\0code",
            Self::Duration => "request\0duration",
            Self::BackendLatency => "response\0backend_latency",
            Self::Flags => "response\0flags",
            Self::Attempts => "upstream\0request_attempt_count",
            Self::RequestSize => "request\0total_size",
            Self::ResponseSize => "response\0total_size",
            Self::BodySize => "response\0size",
            Self::GrpcStatus => "response\0grpc_status",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The numbers of one request, as far as they were asked for and are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of those that are there.
    numbers: [i64; Number::ALL.len()],
    /// A bit for each number that is there.
    known: u16,
    /// Whether its content type is one of gRPC.
    pub is_grpc: bool,
}

impl Outcome {
    /// The outcome of a request, before any number is known.
    pub fn new(is_grpc: bool) -> Self {
        Self { is_grpc, ..Self::default() }
    }

    /// Sets a number to the eight bytes, least significant first, that Envoy gives; other bytes are none.
    pub fn set(&mut self, number: Number, bytes: Option<&[u8]>) {
        let value = bytes.and_then(|bytes| Some(i64::from_le_bytes(bytes.try_into().ok()?)));
        self.known &= !number.bit();
        if let (Some(known), Some(value)) = (self.numbers.get_mut(number as usize), value) {
            *known = value;
            self.known |= number.bit();
        }
    }

    /// A number.
    pub fn number(&self, number: Number) -> Option<i64> {
        let value = self.numbers.get(number as usize).copied();
        value.filter(|_| self.known & number.bit() != 0)
    }

    /// The status sent to the client.
    pub fn code(&self) -> Option<u16> {
        self.number(Number::Code).and_then(|code| u16::try_from(code).ok())
    }

    /// Whether the upstream has answered, and not Envoy itself.
    pub fn is_answered_by_upstream(&self) -> bool {
        self.number(Number::BackendLatency).is_some()
    }

    #[cfg(test)]
    pub(crate) fn of(numbers: &[(Number, i64)]) -> Self {
        let mut outcome = Self::default();
        for (number, value) in numbers {
            outcome.set(*number, Some(&value.to_le_bytes()));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_eight_bytes() {
        let mut outcome = Outcome::default();
        for (place, number) in Number::ALL.into_iter().enumerate() {
            assert_eq!(number as usize, place);
            outcome.set(number, Some(&(place as i64).to_le_bytes()));
        }
        assert!(Number::ALL.iter().all(|number| outcome.number(*number) == Some(*number as i64)));
        for bytes in [None, Some(b"".as_slice()), Some(b"200"), Some(&[0; 9])] {
            outcome.set(Number::Code, bytes);
            assert_eq!(outcome.code(), None);
        }
        assert_eq!(Outcome::of(&[(Number::Code, 70_000)]).code(), None);
    }
}
