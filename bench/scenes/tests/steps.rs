//! No step of the receiver does more the more series there are.

use allocation_counter::measure;
use scenes::{Service, at, records, shapes, steps};

/// Returns the bytes that the largest step allocates. The time of a step is less certain, and a table that moves its
/// entries allocates as many bytes as they take.
fn largest(service: Service, shape: scenes::LoadShape) -> u64 {
    let steps = steps(service, &records(shape, at(0)), |step| measure(step).bytes_total);
    steps.iter().map(|step| step.cost).max().unwrap_or_default()
}

#[test]
fn ten_times_as_many_series_make_no_step_larger() {
    for service in Service::ALL {
        let [few, many] = [shapes::COUNTS, shapes::MANY_COUNTS].map(|shape| largest(service, shape));
        assert!(few > 0 && many <= few.saturating_mul(2), "{service:?}: {few} and {many} bytes");
    }
}
