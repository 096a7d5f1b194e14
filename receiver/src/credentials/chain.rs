//! Tries the providers in their order, stores the set in use, and schedules its replacement.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Now, Timestamp};
use acpw_sigv4::{Signer, SigningScope};

use super::{
    Call, CredentialSet, Provider, RegionSource, Response,
    refresh::{Refresh, remaining, retry_delay},
    region::RegionStep,
    step::{ProviderContext, ProviderFailure, ProviderStep, RetryPolicy},
};
use crate::{clock::Clock, endpoint::Region, notice::Notice, random::Random};

/// The minimum time between two replacements of sets that AWS refuses and has never accepted.
const MIN_FORCED_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// The credentials of a receiver.
///
/// Once a provider has returned credentials, the chain stays with it: from then on it is a failure if that provider has
/// none. There are two exceptions. An earlier provider that could not be reached is tried again at the next refresh, or
/// after five minutes. And all providers are tried again if AWS refuses a set and the provider has no other.
///
/// A set is replaced 15 minutes before it expires, or after half of its lifetime if that is later. A random part of up
/// to a quarter of that time is subtracted, so that a fleet does not refresh at the same moment. Until a new set
/// arrives, the old one is used, up to its expiry. At most one callout is in flight.
///
/// The owner calls [`poll_call`](Self::poll_call) on each tick, [`handle_answer`](Self::handle_answer) when the callout
/// ends, and [`signing`](Self::signing) for each request, with the corrected time as the wall clock.
#[derive(Debug)]
pub struct Chain {
    providers: Vec<Provider>,
    region: RegionSource,
    chosen: Option<usize>,
    /// True if a provider before the chosen one could not be reached.
    has_unreachable: bool,
    /// True if an invalid expiry was logged.
    has_logged_expiry: bool,
    /// The reasons why the providers tried so far have no credentials.
    missing: Vec<String>,
    in_use: Option<InUse>,
    callout: Callout,
    not_before: Duration,
    failures: u32,
    last_forced: Option<Duration>,
    next_id: u64,
    random: Random,
    notices: VecDeque<Notice>,
}

/// Identifies a set of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetId(u64);

/// The way to sign a request.
#[derive(Debug)]
pub enum Signing<'a> {
    /// With this signer.
    Keys(&'a mut Signer),
    /// Not at all: Envoy signs it.
    Envoy,
}

#[derive(Debug)]
struct InUse {
    id: SetId,
    signer: Option<Box<Signer>>,
    expires: Option<Timestamp>,
    refresh: Refresh,
    /// True if AWS has accepted a request signed with it.
    was_accepted: bool,
}

#[derive(Debug)]
enum Callout {
    Idle,
    Pending(Lookup, Call),
    InFlight { lookup: Lookup, signed_at: Option<Timestamp>, sent: Duration },
}

/// The subject of a lookup.
#[derive(Clone, Copy, Debug)]
enum Lookup {
    Region,
    Provider(usize),
}

impl Chain {
    /// Creates a chain without credentials. `seed` varies the times of refreshes within a fleet.
    pub fn new(providers: Vec<Provider>, region: RegionSource, seed: u64) -> Self {
        Self {
            providers,
            region,
            chosen: None,
            has_unreachable: false,
            has_logged_expiry: false,
            missing: Vec::new(),
            in_use: None,
            callout: Callout::Idle,
            not_before: Duration::ZERO,
            failures: 0,
            last_forced: None,
            next_id: 0,
            random: Random::new(seed),
            notices: VecDeque::new(),
        }
    }

    /// Returns the region, once it is known.
    pub fn region(&self) -> Option<&Region> {
        self.region.region()
    }

    /// Returns the name of the provider whose set is in use, and the expiry of the set.
    pub fn in_use(&self) -> Option<(&'static str, Option<Timestamp>)> {
        let provider = self.chosen.and_then(|index| self.providers.get(index))?;
        Some((provider.name(), self.in_use.as_ref()?.expires))
    }

    /// Starts a refresh if it is due. Finishes it if the provider needs no request.
    pub fn handle_time(&mut self, now: Now) {
        if matches!(self.callout, Callout::Idle) && self.is_due(now) {
            self.missing.clear();
            let first = self.first();
            self.has_unreachable = false;
            self.advance(first, None, now);
        }
    }

    /// Returns the next request to send, if there is one. Pass the response to [`handle_answer`](Self::handle_answer).
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        self.handle_time(now);
        match std::mem::replace(&mut self.callout, Callout::Idle) {
            Callout::Pending(lookup, call) => {
                self.callout = Callout::InFlight { lookup, signed_at: call.signed_at, sent: now.steady };
                Some(call)
            }
            other => {
                self.callout = other;
                None
            }
        }
    }

    /// Handles the response to the callout in flight, or the reason why no response arrived.
    pub fn handle_answer(&mut self, answer: &Response, now: Now) {
        if let Callout::InFlight { lookup, .. } = std::mem::replace(&mut self.callout, Callout::Idle) {
            self.advance(lookup, Some(answer), now);
        }
    }

    /// Returns by how many milliseconds the clock of the responder is ahead. Returns `None` unless the callout in
    /// flight was signed, in which case the responder is AWS.
    pub fn clock_difference(&self, answer: &Response, now: Now) -> Option<i64> {
        match (&self.callout, answer) {
            (
                Callout::InFlight { signed_at: Some(signed_at), sent, .. },
                Response::Complete { date: Some(date), .. },
            ) => Clock::difference(*date, *signed_at, now.steady.saturating_sub(*sent)),
            _ => None,
        }
    }

    /// Returns how to sign a request now, or `None` if there are no valid credentials.
    pub fn signing(&mut self, now: Timestamp) -> Option<(SetId, Signing<'_>)> {
        let in_use = self.in_use.as_mut().filter(|in_use| in_use.expires.is_none_or(|expires| now < expires))?;
        let signing = in_use.signer.as_deref_mut().map_or(Signing::Envoy, Signing::Keys);
        Some((in_use.id, signing))
    }

    /// Records that AWS has accepted a request signed with this set.
    pub fn accepted(&mut self, set: SetId) {
        if let Some(in_use) = self.in_use.as_mut().filter(|in_use| in_use.id == set) {
            in_use.was_accepted = true;
        }
    }

    /// Handles that AWS has refused a request signed with this set. Returns true if there is or will be another set.
    ///
    /// A set that was accepted before is replaced immediately, and one that never was at most once per minute. If the
    /// provider has no other set or never had an accepted one, all providers are tried again.
    pub fn refused(&mut self, set: SetId, now: Now) -> bool {
        let Some(in_use) = self.in_use.as_ref().filter(|in_use| in_use.id == set) else { return true };
        let provider = self.chosen.and_then(|index| self.providers.get(index));
        let is_refreshable = provider.is_some_and(Provider::is_refreshable);
        let may_force =
            self.last_forced.is_none_or(|last| now.steady.saturating_sub(last) >= MIN_FORCED_REFRESH_INTERVAL);
        let is_replaced = is_refreshable && (in_use.was_accepted || may_force);
        let is_given_up =
            self.chosen.is_some_and(|index| index > 0) && may_force && !(is_refreshable && in_use.was_accepted);
        if is_given_up {
            let name = provider.map_or("", Provider::name);
            let reason = format!("{name}: AWS refuses its credentials; trying all providers again");
            self.notices.push_back(Notice::CredentialsFailed { reason, delay: Duration::ZERO, is_held: true });
            self.chosen = None;
        } else if !is_replaced {
            return false;
        }
        self.last_forced = Some(now.steady);
        self.not_before = now.steady;
        self.in_use = None;
        true
    }

    /// Returns the next notice for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn is_due(&self, now: Now) -> bool {
        self.in_use.as_ref().is_none_or(|in_use| in_use.refresh.is_due(now)) && now.steady >= self.not_before
    }

    /// Returns the first lookup of a refresh. The region is first, because signing needs it.
    fn first(&self) -> Lookup {
        match self.region {
            RegionSource::Known(_) if self.has_unreachable => Lookup::Provider(0),
            RegionSource::Known(_) => Lookup::Provider(self.chosen.unwrap_or(0)),
            RegionSource::Imds(_) => Lookup::Region,
            RegionSource::NotNeeded => Lookup::Provider(0),
        }
    }

    /// Advances the lookups until one needs a request, returns credentials, or fails.
    fn advance(&mut self, mut lookup: Lookup, mut answer: Option<&Response>, now: Now) {
        loop {
            let answer = answer.take();
            lookup = match (lookup, &mut self.region) {
                // Without AWS nothing is signed.
                (Lookup::Provider(index), RegionSource::NotNeeded) => {
                    return self.install(index, None, None, Refresh::Never, now);
                }
                (Lookup::Region, RegionSource::Imds(region_lookup)) => match region_lookup.step(answer) {
                    RegionStep::Call(call) => return self.callout = Callout::Pending(lookup, call),
                    RegionStep::Failed(reason) => {
                        let reason = format!("the region is unknown: {reason}");
                        return self.fail(ProviderFailure { reason, retry: RetryPolicy::Soon }, now);
                    }
                    RegionStep::Found(region) => {
                        self.region = RegionSource::Known(region);
                        self.first()
                    }
                },
                (Lookup::Provider(index), RegionSource::Known(region)) => {
                    let Some(provider) = self.providers.get_mut(index) else {
                        return self.fail_without_credentials(now);
                    };
                    let name = provider.name();
                    match provider.step(answer, ProviderContext { now: now.wall, region }) {
                        ProviderStep::Call(call) => return self.callout = Callout::Pending(lookup, call),
                        ProviderStep::Ready(set) => return self.handle_set(index, set, now),
                        ProviderStep::Unsigned => return self.install(index, None, None, Refresh::Never, now),
                        ProviderStep::Failed(ProviderFailure { reason, retry }) => {
                            return self.fail(ProviderFailure { reason: format!("{name}: {reason}"), retry }, now);
                        }
                        ProviderStep::NotLoaded(reason) => {
                            self.missing.push(format!("{name}: {reason}"));
                            match self.after(index) {
                                Some(next) => next,
                                None => return self.fail_without_credentials(now),
                            }
                        }
                        ProviderStep::Unreachable(reason) => {
                            self.missing.push(format!("{name}: {reason}"));
                            match self.after(index) {
                                Some(next) => {
                                    self.has_unreachable = true;
                                    next
                                }
                                None => return self.fail_without_credentials(now),
                            }
                        }
                    }
                }
                (Lookup::Region, RegionSource::Known(_) | RegionSource::NotNeeded)
                | (Lookup::Provider(_), RegionSource::Imds(_)) => self.first(),
            };
        }
    }

    /// Returns the lookup after a provider without credentials: the next provider, or none after the chosen one.
    fn after(&self, index: usize) -> Option<Lookup> {
        let is_last = self.chosen.is_some_and(|chosen| index >= chosen);
        (!is_last).then(|| Lookup::Provider(index.saturating_add(1)))
    }

    fn fail_without_credentials(&mut self, now: Now) {
        let reason = format!("no provider has credentials: {}", self.missing.join("; "));
        self.fail(ProviderFailure { reason, retry: RetryPolicy::Soon }, now);
    }

    fn handle_set(&mut self, index: usize, set: CredentialSet, now: Now) {
        let CredentialSet { credentials, expires, outlives_expiry, has_invalid_expiry } = set;
        if has_invalid_expiry && !std::mem::replace(&mut self.has_logged_expiry, true) {
            let provider = self.providers.get(index).map_or("", Provider::name);
            self.notices.push_back(Notice::InvalidExpiration { provider });
        }
        let Some(region) = self.region.region() else { return };
        let signer = match SigningScope::new(region.as_str(), "monitoring") {
            Ok(scope) => Signer::new(credentials, scope),
            Err(error) => {
                return self.fail(ProviderFailure { reason: error.to_string(), retry: RetryPolicy::Later }, now);
            }
        };
        let is_refreshable = self.providers.get(index).is_some_and(Provider::is_refreshable);
        let (used_until, refresh) = match expires.map(|expires| (expires, remaining(expires, now.wall))) {
            None if is_refreshable || self.has_unreachable => (None, Refresh::without_expiry(now)),
            None => (None, Refresh::Never),
            Some((expires, Some(remaining))) => {
                let refresh = Refresh::before_expiry(remaining, now, &mut self.random);
                ((!outlives_expiry).then_some(expires), refresh)
            }
            // The set was already expired, but the clock may be wrong. AWS decides, and its response corrects the
            // clock.
            Some((_, None)) => (None, Refresh::of_expired(outlives_expiry, now, &mut self.random)),
        };
        self.install(index, Some(Box::new(signer)), used_until, refresh, now);
    }

    fn install(
        &mut self,
        index: usize,
        signer: Option<Box<Signer>>,
        expires: Option<Timestamp>,
        refresh: Refresh,
        now: Now,
    ) {
        self.failures = 0;
        let is_refreshable = self.providers.get(index).is_some_and(Provider::is_refreshable);
        let is_same = self.chosen == Some(index) && !is_refreshable;
        if let Some(in_use) = self.in_use.as_mut().filter(|_| is_same) {
            in_use.refresh = refresh;
            return;
        }
        self.chosen = Some(index);
        let id = SetId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.in_use = Some(InUse { id, signer, expires, refresh, was_accepted: false });
        if let Some(provider) = self.providers.get(index).filter(|provider| provider.is_refreshable()) {
            let remaining = expires.and_then(|expires| remaining(expires, now.wall));
            self.notices.push_back(Notice::CredentialsLoaded { provider: provider.name(), remaining });
        }
    }

    fn fail(&mut self, ProviderFailure { reason, retry }: ProviderFailure, now: Now) {
        let delay = retry_delay(retry, self.failures, &mut self.random);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.steady.saturating_add(delay);
        let is_held = self.signing(now.wall).is_none();
        self.notices.push_back(Notice::CredentialsFailed { reason, delay, is_held });
    }
}
