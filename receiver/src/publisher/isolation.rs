//! Finds what CloudWatch refuses within a payload, and sends the rest.

use std::time::Duration;

use super::{
    Parts, Publisher,
    answers::{count_retry, lane_mut, log_entity, log_lane, reason},
    in_flight::Sent,
};
use crate::{
    Answer,
    notice::Notice,
    waiting::{Body, Waiting},
};

/// What the delays of a lane of which everything is refused begin with.
const REFUSED_BASE: Duration = Duration::from_secs(1);

impl Publisher {
    /// Drops the data at these indices and sends the rest. Where none is named, halves the payload until single data are
    /// refused.
    ///
    /// A single datum that is refused without being named is dropped only once CloudWatch has accepted other data of the same
    /// lane since it refused this one, and refuses it again. When it refuses one after another and accepts none, it is not the
    /// data: they are held, and the lane backs off.
    pub(super) fn isolate(&mut self, mut sent: Sent, data: &[usize], answer: &Answer, parts: &mut Parts<'_>) {
        let count = sent.payload.data();
        let named: Vec<usize> = data.iter().copied().filter(|at| *at < count).collect();
        if !named.is_empty() {
            return self.drop_invalid(sent, &named, answer, parts);
        }
        let Sent { lane: id, .. } = sent;
        let Some(lane) = parts.buffer.lanes_mut().get_mut(id) else { return };
        let is_at_fault = count == 1 && lane.refuse(&mut sent.history);
        if is_at_fault {
            return self.drop_invalid(sent, &[0], answer, parts);
        }
        let is_all_refused = lane.is_all_refused();
        // With nothing else to send, nothing can show whether it is this datum only.
        let is_alone = count == 1 && !lane.has_due();
        if is_all_refused || is_alone {
            lane.fail(parts.now.steady, REFUSED_BASE, None, &mut self.random);
            let namespace = sent.payload.key().namespace.to_string();
            log_lane(id, &Notice::AllRefused { namespace, reason: reason(answer) }, parts);
        }
        let may_halve = lane_mut(parts, id).is_some_and(|lane| lane.may_halve());
        if count > 1 && may_halve {
            return self.split(sent, parts);
        }
        count_retry(parts);
        let Sent { payload, mut history, .. } = sent;
        history.fail(parts.now.steady);
        if let Some(lane) = lane_mut(parts, id) {
            lane.wait_last(Waiting { body: Body::Payload(payload), history });
        }
    }

    /// Sends a payload in halves.
    pub(super) fn split(&mut self, sent: Sent, parts: &mut Parts<'_>) {
        count_retry(parts);
        let (left, right) = sent.payload.split();
        if let Some(lane) = lane_mut(parts, sent.lane) {
            lane.wait_parts([left, right].into_iter().flatten(), sent.history);
        }
    }

    /// Sends the data of a payload as those of no entity, and those of the entity from now on.
    pub(super) fn send_without_entity(&mut self, sent: Sent, answer: &Answer, parts: &mut Parts<'_>) {
        let (Some(entity), Some(draft)) = (sent.payload.key().entity.clone(), sent.payload.without_entity()) else {
            return self.isolate(sent, &[], answer, parts);
        };
        count_retry(parts);
        log_entity(&sent.payload, reason(answer), parts);
        parts.buffer.refused_entities_mut().add(entity);
        if let Some(lane) = lane_mut(parts, sent.lane) {
            lane.wait_parts(std::iter::once(draft), sent.history);
        }
    }

    fn drop_invalid(&mut self, sent: Sent, indices: &[usize], answer: &Answer, parts: &mut Parts<'_>) {
        let (rest, samples) = sent.payload.without(indices);
        parts.journal.counts.dropped_invalid = parts.journal.counts.dropped_invalid.saturating_add(samples);
        // An index into a body that nobody sees says nothing to whoever has to mend the datum.
        let series = indices.first().and_then(|index| sent.payload.series(*index)).unwrap_or_default();
        let more = match indices.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more data", n.saturating_sub(1)),
        };
        let detail = format!("{series}{more}: {}", reason(answer));
        parts.log(&Notice::Dropped { reason: "invalid", samples, detail });
        if let Some(lane) = lane_mut(parts, sent.lane) {
            lane.wait_parts(rest.into_iter(), sent.history);
        }
    }
}
