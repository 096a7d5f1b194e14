//! Bugs that are planted to show that the simulation finds them.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// No bug: the code is unchanged.
    None,
    /// Dropped values are not counted.
    DropUncounted,
    /// Values that became too old are not counted.
    TooOldUncounted,
    /// A record from the queue is lost.
    RecordLost,
    /// A record is merged twice.
    RecordTwice,
    /// A refused request counts as delivered.
    RefusedAsDelivered,
    /// A delivered request is sent again.
    DeliveredAgain,
    /// An answer is forgotten.
    AnswerForgotten,
    /// A post is accepted without room in the ledger.
    RoomIgnored,
    /// Values of a source are not counted as received.
    SourceUncounted,
    /// The provider's answer with new credentials is forgotten.
    CredentialsForgotten,
    /// A requested flush is forgotten.
    FlushForgotten,
    /// Values that were lost with a receiver are not counted.
    RestartUncounted,
}

impl Mutation {
    /// All planted bugs.
    pub const BUGS: [Self; 12] = [
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
    ];
}
