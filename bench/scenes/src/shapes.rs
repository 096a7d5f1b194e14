//! Shapes of load.

use crate::{FULL, LoadShape, SEED};

/// 10,000 series with one count each, from ten senders with different paths.
pub const COUNTS: LoadShape =
    LoadShape { senders: 10, configuration: SEED, paths: 1_000, is_shared: false, requests: 10_000 };

/// 100,000 series with one count each.
pub const MANY_COUNTS: LoadShape = LoadShape { senders: 100, requests: 1_000, ..COUNTS };

/// 10,000 series of the full set, with distributions of times and sizes.
pub const DISTRIBUTIONS: LoadShape =
    LoadShape { senders: 10, configuration: FULL, paths: 142, is_shared: false, requests: 142 * 50 };

/// A million requests per second: 16 senders that see the same 20 routes.
pub const MILLION: LoadShape =
    LoadShape { senders: 16, configuration: FULL, paths: 20, is_shared: true, requests: 62_500 };
