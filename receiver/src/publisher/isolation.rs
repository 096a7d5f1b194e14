//! Finds the data or entity that CloudWatch refuses in a payload, and sends the rest.

use super::{
    Publisher, PublisherContext,
    answers::{count_retry, lane_mut, log_entity, log_lane, reason},
    in_flight::Sent,
};
use crate::{
    PublishAnswer,
    backoff::FailureKind,
    notice::Notice,
    waiting::{WaitingBody, WaitingPayload},
};

impl Publisher {
    /// Drops the data at these indices and sends the rest. If the list is empty, splits the payload until CloudWatch
    /// refuses single data.
    ///
    /// A single datum that is refused without being named is dropped only if CloudWatch refuses it again after it has
    /// accepted other data of the same lane. If CloudWatch refuses one datum after another and accepts none, the data
    /// is not the cause: it is held, and the lane backs off.
    pub(super) fn isolate(
        &mut self,
        mut sent: Sent,
        data: &[usize],
        answer: &PublishAnswer,
        context: &mut PublisherContext<'_>,
    ) {
        let count = sent.payload.data();
        let named: Vec<usize> = data.iter().copied().filter(|index| *index < count).collect();
        if !named.is_empty() {
            return self.drop_invalid(sent, &named, answer, context);
        }
        let Sent { lane: id, .. } = sent;
        let Some(lane) = context.buffer.lanes_mut().get_mut(id) else { return };
        let is_invalid = count == 1 && lane.record_refused(&mut sent.history);
        if is_invalid {
            return self.drop_invalid(sent, &[0], answer, context);
        }
        let is_all_refused = lane.is_all_refused();
        // Without other data to send, no answer can show that only this datum is invalid.
        let is_alone = count == 1 && !lane.has_due();
        if is_all_refused || is_alone {
            lane.record_failure(context.now.steady, FailureKind::Refused, None, &mut self.random);
            let namespace = sent.payload.key().namespace.to_string();
            log_lane(id, &Notice::AllRefused { namespace, reason: reason(answer) }, context);
        }
        let may_split = lane_mut(context, id).is_some_and(|lane| lane.may_split());
        if count > 1 && may_split {
            return self.split(sent, context);
        }
        count_retry(context);
        let Sent { payload, mut history, .. } = sent;
        history.record_failure(context.now.steady);
        if let Some(lane) = lane_mut(context, id) {
            lane.push_back(WaitingPayload { body: WaitingBody::Payload(payload), history });
        }
    }

    /// Sends a payload as two halves.
    pub(super) fn split(&mut self, sent: Sent, context: &mut PublisherContext<'_>) {
        count_retry(context);
        let (left, right) = sent.payload.split();
        if let Some(lane) = lane_mut(context, sent.lane) {
            lane.push_parts([left, right].into_iter().flatten(), sent.history);
        }
    }

    /// Sends the data of a payload without its entity. Later data of the entity is sent without it, too.
    pub(super) fn send_without_entity(
        &mut self,
        sent: Sent,
        answer: &PublishAnswer,
        context: &mut PublisherContext<'_>,
    ) {
        let (Some(entity), Some(draft)) = (sent.payload.key().entity.clone(), sent.payload.without_entity()) else {
            return self.isolate(sent, &[], answer, context);
        };
        count_retry(context);
        log_entity(&sent.payload, reason(answer), context);
        context.buffer.refused_entities_mut().add(entity);
        if let Some(lane) = lane_mut(context, sent.lane) {
            lane.push_parts(std::iter::once(draft), sent.history);
        }
    }

    fn drop_invalid(
        &mut self,
        sent: Sent,
        indices: &[usize],
        answer: &PublishAnswer,
        context: &mut PublisherContext<'_>,
    ) {
        let (rest, samples) = sent.payload.without(indices);
        context.journal.counts.dropped_invalid = context.journal.counts.dropped_invalid.saturating_add(samples);
        // The log names the series, because operators cannot see the body to which an index refers.
        let series = indices.first().and_then(|index| sent.payload.series(*index)).unwrap_or_default();
        let more = match indices.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more data", n.saturating_sub(1)),
        };
        let detail = format!("{series}{more}: {}", reason(answer));
        context.log(&Notice::Dropped { reason: "invalid", samples, detail });
        if let Some(lane) = lane_mut(context, sent.lane) {
            lane.push_parts(rest.into_iter(), sent.history);
        }
    }
}
