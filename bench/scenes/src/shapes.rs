//! What senders are taken to have observed.

use crate::{FULL, SEED, Shape};

/// 10,000 series of one count each: ten senders with different paths.
pub const COUNTS: Shape = Shape { senders: 10, configuration: SEED, paths: 1_000, is_shared: false, requests: 10_000 };

/// 10,000 series of the full set, with distributions of times and sizes.
pub const DISTRIBUTIONS: Shape =
    Shape { senders: 10, configuration: FULL, paths: 142, is_shared: false, requests: 142 * 50 };

/// A million requests a second: 16 senders that see the same 20 routes.
pub const MILLION: Shape = Shape { senders: 16, configuration: FULL, paths: 20, is_shared: true, requests: 62_500 };
