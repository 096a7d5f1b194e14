//! Planted faults, each of which the simulation must find.

/// A fault of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// None: the code as it is.
    None,
    /// Dropped values are not counted.
    DropUncounted,
    /// Values that became too old are not counted.
    TooOldUncounted,
    /// A record vanishes on its way from the queue.
    RecordLost,
    /// A record is merged twice.
    RecordTwice,
    /// A refused request is taken as delivered.
    RefusedAsDelivered,
    /// A delivered request is sent again.
    DeliveredAgain,
    /// An answer is forgotten.
    AnswerForgotten,
    /// A post is accepted without room in the ledger.
    RoomIgnored,
    /// The values of a source are not counted as received.
    SourceUncounted,
    /// The provider's answer with new credentials is forgotten.
    CredentialsForgotten,
    /// A requested flush is forgotten.
    FlushForgotten,
    /// Values that were lost with a receiver are not counted.
    RestartUncounted,
    /// A request that the OTLP endpoint refuses counts as delivered.
    RefusedExportAsDelivered,
    /// A request that the OTLP endpoint has accepted is sent again.
    DeliveredExportAgain,
}

impl Mutation {
    /// All planted faults.
    pub const FAULTS: [Self; 14] = [
        Self::DropUncounted,
        Self::TooOldUncounted,
        Self::RecordLost,
        Self::RecordTwice,
        Self::RefusedAsDelivered,
        Self::DeliveredAgain,
        Self::AnswerForgotten,
        Self::RoomIgnored,
        Self::SourceUncounted,
        Self::CredentialsForgotten,
        Self::FlushForgotten,
        Self::RestartUncounted,
        Self::RefusedExportAsDelivered,
        Self::DeliveredExportAgain,
    ];
}
