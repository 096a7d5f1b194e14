//! A receiver that publishes.

use receiver::{Answer, Config, Publisher, answer::Reply};

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

/// A receiver's publisher with its time.
#[derive(Debug)]
pub struct Publication {
    publisher: Publisher,
    millis: u64,
}

impl Default for Publication {
    fn default() -> Self {
        const CONFIGURATION: &[u8] = br#"{
            "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
            "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "buffer_limit_bytes": 67108864
        }"#;
        let config = Config::from_json(CONFIGURATION, |_| None).expect("a good configuration");
        Self { publisher: Publisher::new(config, 7), millis: 0 }
    }
}

impl Publication {
    /// Merges records into what is held.
    pub fn merge(&mut self, records: &[Vec<u8>]) {
        for record in records {
            self.publisher.handle_record(record, at(self.millis));
        }
    }

    /// How many series it holds.
    pub fn series(&self) -> usize {
        self.publisher.held_series()
    }

    /// Publishes all that is held: encodes, compresses and signs it, and takes CloudWatch's word that all is well.
    pub fn publish(&mut self) -> Sent {
        let mut sent = Sent::default();
        let before = self.publisher.counts().published;
        while self.publisher.held() > 0 {
            while let Some(transmit) = self.publisher.poll_transmit(at(self.millis)) {
                sent.calls = sent.calls.saturating_add(1);
                sent.bytes = sent.bytes.saturating_add(transmit.body.len());
                let reply = Answer::Complete(Reply { status: 200, ..Reply::default() });
                self.publisher.handle_answer(transmit.id, &reply, at(self.millis));
            }
            while self.publisher.poll_line().is_some() {}
            self.millis = self.millis.saturating_add(20);
        }
        sent.published = self.publisher.counts().published.saturating_sub(before);
        sent
    }
}
