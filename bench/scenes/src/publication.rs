//! A scene that publishes data.

use receiver::{Driver, PublishAnswer, answer::Reply};

use crate::{
    at,
    steps::{Service, config},
};

/// The totals of a publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicationTotals {
    /// The number of calls.
    pub calls: usize,
    /// The total size of their bodies in bytes.
    pub bytes: usize,
    /// The number of published values.
    pub published: u64,
}

/// A receiver's driver with a virtual clock.
#[derive(Debug)]
pub struct Publication {
    driver: Driver,
    millis: u64,
}

impl Default for Publication {
    fn default() -> Self {
        let config = config(Service::PutMetricData);
        Self { driver: Driver::new(config, 7), millis: 0 }
    }
}

impl Publication {
    /// Merges records into the held data.
    pub fn merge(&mut self, records: &[Vec<u8>]) {
        for record in records {
            self.driver.handle_record(record, at(self.millis));
        }
    }

    /// Returns the number of held series.
    pub fn series(&self) -> usize {
        self.driver.receiver().snapshot(at(self.millis)).held_series
    }

    /// Returns the approximate memory of the held data in bytes.
    pub fn held_bytes(&self) -> usize {
        self.driver.receiver().held_bytes()
    }

    /// Publishes all held data: encodes, compresses and signs them. CloudWatch accepts every call.
    pub fn publish(&mut self) -> PublicationTotals {
        let mut totals = PublicationTotals::default();
        let before = self.driver.receiver().counts().published;
        while self.driver.receiver().held() > 0 {
            while let Some(transmit) = self.driver.poll_transmit(at(self.millis)) {
                totals.calls = totals.calls.saturating_add(1);
                totals.bytes = totals.bytes.saturating_add(transmit.body.len());
                let reply = PublishAnswer::Complete(Reply { status: 200, ..Reply::default() });
                self.driver.handle_answer(transmit.id, &reply, at(self.millis));
            }
            while self.driver.poll_log_line().is_some() {}
            self.millis = self.millis.saturating_add(20);
        }
        totals.published = self.driver.receiver().counts().published.saturating_sub(before);
        totals
    }
}
