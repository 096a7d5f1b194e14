//! Code that several fuzz targets share.

use acpw_metric::{Accumulator, Record, Timestamp};
use gateway::{
    fields::UnknownFields,
    gateway::read_any,
    otlp::{Export, ExportContext, decode::decode, encoding::Encoding, rules::OtlpRules},
    protocol::Protocol,
    put_metric_data::AcceptedPost,
    rules::{ReadContext, Rules},
};

/// Posts a body to the gateway. The body must either be refused or become records that the receiver reads without loss.
pub fn post(protocol: Protocol, body: &[u8]) {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 10 };
    let now = Timestamp::from_secs(1_795_170_600);
    let context = ReadContext { rules: &rules, now, unknown: UnknownFields::Ignored };
    let Some(posting) = read_any(protocol, body, &context) else { return };
    check(&posting);
}

/// Exports metrics to the gateway, twice. A body must either be refused or become records that the receiver reads
/// without loss, and the same streams must give the same records.
pub fn export(encoding: Encoding, body: &[u8]) {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 10 };
    let otlp = OtlpRules { namespace: None, resource_attributes: vec!["service.name".to_owned()], max_streams: 1_000 };
    let now = Timestamp::from_secs(1_795_170_600);
    let Ok(request) = decode(encoding, body) else { return };
    let export = Export::read(&request, &ExportContext { rules: &rules, otlp: &otlp, now });
    let first = export.settle(None, now);
    let second = export.settle(first.streams.as_deref(), now);
    let again = export.settle(first.streams.as_deref(), now);
    assert_eq!((&again.streams, &again.post), (&second.streams, &second.post), "settling can be repeated");
    [first.post, second.post].iter().for_each(check);
}

/// Checks that the receiver reads all values of a post.
fn check(post: &AcceptedPost) {
    let mut held = Accumulator::default();
    for record in &post.records {
        held.merge_record(&Record::decode(record).expect("a valid record"), 0);
    }
    assert_eq!(held.samples(), post.values);
}
