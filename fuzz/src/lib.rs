//! What several fuzz targets do.

use acpw_metric::{Accumulator, Record, Timestamp};
use gateway::{
    fields::UnknownFields,
    gateway::read_any,
    protocol::Protocol,
    rules::{Reading, Rules},
};

/// A body that is posted: refused, or taken as records that the receiver reads without a loss.
pub fn post(protocol: Protocol, body: &[u8]) {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 10 };
    let now = Timestamp::from_secs(1_795_170_600);
    let reading = Reading { rules: &rules, now, unknown: UnknownFields::Ignored };
    let Some(posting) = read_any(protocol, body, &reading) else { return };
    let mut held = Accumulator::default();
    for record in &posting.records {
        held.merge_record(&Record::decode(record).expect("what is written is a record"), 0);
    }
    assert_eq!(held.samples(), posting.values);
}
