//! Code that several fuzz targets share.

use acpw_metric::{Accumulator, Record, Timestamp};
use gateway::{
    fields::UnknownFields,
    gateway::read_any,
    protocol::Protocol,
    rules::{ReadContext, Rules},
};

/// Posts a body to the gateway. The body must either be refused or become records that the receiver reads without loss.
pub fn post(protocol: Protocol, body: &[u8]) {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 10 };
    let now = Timestamp::from_secs(1_795_170_600);
    let context = ReadContext { rules: &rules, now, unknown: UnknownFields::Ignored };
    let Some(posting) = read_any(protocol, body, &context) else { return };
    let mut held = Accumulator::default();
    for record in &posting.records {
        held.merge_record(&Record::decode(record).expect("a valid record"), 0);
    }
    assert_eq!(held.samples(), posting.values);
}
