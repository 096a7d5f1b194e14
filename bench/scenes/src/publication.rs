//! A receiver that publishes.

use receiver::{Answer, Config, Driver, answer::Reply};

use crate::at;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Calls.
    pub calls: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Values in them.
    pub published: u64,
}

/// A receiver's driver with its time.
#[derive(Debug)]
pub struct Publication {
    driver: Driver,
    millis: u64,
}

impl Default for Publication {
    fn default() -> Self {
        const CONFIGURATION: &[u8] = br#"{
            "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
            "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "buffer_limit_bytes": 67108864, "max_series": null
        }"#;
        let config = Config::from_json(CONFIGURATION, |_| None).expect("a good configuration");
        Self { driver: Driver::new(config, 7), millis: 0 }
    }
}

impl Publication {
    /// Merges records into what is held.
    pub fn merge(&mut self, records: &[Vec<u8>]) {
        for record in records {
            self.driver.handle_record(record, at(self.millis));
        }
    }

    /// How many series it holds.
    pub fn series(&self) -> usize {
        self.driver.receiver().snapshot(at(self.millis)).held_series
    }

    /// Publishes all that is held: encodes, compresses and signs it, and takes CloudWatch's word that all is well.
    pub fn publish(&mut self) -> Sent {
        let mut sent = Sent::default();
        let before = self.driver.receiver().counts().published;
        while self.driver.receiver().held() > 0 {
            while let Some(transmit) = self.driver.poll_transmit(at(self.millis)) {
                sent.calls = sent.calls.saturating_add(1);
                sent.bytes = sent.bytes.saturating_add(transmit.body.len());
                let reply = Answer::Complete(Reply { status: 200, ..Reply::default() });
                self.driver.handle_answer(transmit.id, &reply, at(self.millis));
            }
            while self.driver.poll_line().is_some() {}
            self.millis = self.millis.saturating_add(20);
        }
        sent.published = self.driver.receiver().counts().published.saturating_sub(before);
        sent
    }
}
