//! The providers in their order, the set that is in use, and when the next one is fetched.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Now, Timestamp};
use acpw_sigv4::{Signer, SigningScope};

use super::{
    Call, Provider, RegionSource, Response, Set,
    provider::{Again, Circumstances, Failure, Step},
    region::RegionStep,
};
use crate::{clock::Clock, endpoint::Region, notice::Notice, random::Random};

/// How long before its expiry a set is replaced; a set that lives less than twice as long, after half of its life.
const EARLY: Duration = Duration::from_secs(15 * 60);

/// The least time between a set and its replacement.
const LEAST: Duration = Duration::from_secs(1);

/// After how long a set that does not say when it expires is fetched anew.
const REREAD: Duration = Duration::from_secs(5 * 60);

/// After how long a set that was expired when it came is fetched anew, unless it is used on.
const AGAIN: Duration = Duration::from_secs(60);

/// The longest time between two attempts at what may pass by itself.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The longest time between two attempts at what somebody has to change, and the first one, which doubles each time.
const LATE: Duration = Duration::from_secs(5 * 60);
const LATE_FIRST: Duration = Duration::from_secs(5);

/// The least time between two replacements of sets that AWS refused and had never accepted.
const FORCE_INTERVAL: Duration = Duration::from_secs(60);

/// The credentials of a receiver.
///
/// The first provider that has credentials is kept to: from then on, that it has none is a failure. There are two ways back to
/// those before it: one that could not be reached is asked again with the next set, or after five minutes; and all are asked
/// again when AWS refuses a set for which there is no other.
///
/// A set is replaced 15
/// minutes before it expires, or after half of its life when that is later, up to a quarter of that time earlier, so that
/// a fleet does not ask at once; until then, and while that fails, the old set is used, up to its expiry. At most one
/// callout is in flight.
///
/// Driven by its owner, with the corrected time as wall clock: [`poll_call`](Self::poll_call) on a tick,
/// [`handle_answer`](Self::handle_answer) when the callout ends, [`signing`](Self::signing) for each request.
#[derive(Debug)]
pub struct Chain {
    providers: Vec<Provider>,
    region: RegionSource,
    chosen: Option<usize>,
    /// Whether a provider before the chosen one could not be reached.
    is_unreached: bool,
    /// Whether it was logged that an expiry cannot be read.
    has_logged_expiry: bool,
    /// Why the providers before the one that is asked have none.
    missing: Vec<String>,
    in_use: Option<InUse>,
    work: Work,
    not_before: Duration,
    failures: u32,
    forced: Option<Duration>,
    next_id: u64,
    random: Random,
    notices: VecDeque<Notice>,
}

/// Names a set that was in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetId(u64);

/// How a request is signed.
#[derive(Debug)]
pub enum Signing<'a> {
    /// With these keys.
    Keys(&'a mut Signer),
    /// By Envoy, on its way.
    Envoy,
}

#[derive(Debug)]
struct InUse {
    id: SetId,
    signer: Option<Box<Signer>>,
    expires: Option<Timestamp>,
    refresh: Refresh,
    /// Whether AWS has accepted it.
    is_proven: bool,
}

/// When a set is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    Never,
    /// By the corrected wall clock.
    At(Timestamp),
    /// By the steady clock.
    After(Duration),
}

#[derive(Debug)]
enum Work {
    Idle,
    Wanted(Target, Call),
    InFlight { target: Target, signed_at: Option<Timestamp>, sent: Duration },
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
enum Target {
    Region,
    Provider(usize),
}

impl Chain {
    /// A chain that has not asked anyone yet. `seed` makes it differ from the others of a fleet.
    pub fn new(providers: Vec<Provider>, region: RegionSource, seed: u64) -> Self {
        Self {
            providers,
            region,
            chosen: None,
            is_unreached: false,
            has_logged_expiry: false,
            missing: Vec::new(),
            in_use: None,
            work: Work::Idle,
            not_before: Duration::ZERO,
            failures: 0,
            forced: None,
            next_id: 0,
            random: Random::new(seed),
            notices: VecDeque::new(),
        }
    }

    /// The region, once it is known.
    pub fn region(&self) -> Option<&Region> {
        self.region.region()
    }

    /// The provider whose set is in use, by its name in the configuration, and until when the set is good.
    pub fn in_use(&self) -> Option<(&'static str, Option<Timestamp>)> {
        let provider = self.chosen.and_then(|at| self.providers.get(at))?;
        Some((provider.name(), self.in_use.as_ref()?.expires))
    }

    /// Begins to fetch a set when that is due. Providers that need no request are done with here.
    pub fn handle_time(&mut self, now: Now) {
        if matches!(self.work, Work::Idle) && self.is_due(now) {
            self.missing.clear();
            let first = self.first();
            self.is_unreached = false;
            self.ask(first, None, now);
        }
    }

    /// The request to send now, if there is one; its answer is to be handed to [`handle_answer`](Self::handle_answer).
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        self.handle_time(now);
        match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Wanted(target, call) => {
                self.work = Work::InFlight { target, signed_at: call.signed_at, sent: now.steady };
                Some(call)
            }
            other => {
                self.work = other;
                None
            }
        }
    }

    /// The callout has ended, or could not be dispatched.
    pub fn handle_answer(&mut self, answer: &Response, now: Now) {
        if let Work::InFlight { target, .. } = std::mem::replace(&mut self.work, Work::Idle) {
            self.ask(target, Some(answer), now);
        }
    }

    /// By how many milliseconds the clock of who answers the callout in flight is ahead, when the callout was signed: it
    /// is AWS then.
    pub fn clock_difference(&self, answer: &Response, now: Now) -> Option<i64> {
        match (&self.work, answer) {
            (Work::InFlight { signed_at: Some(signed_at), sent, .. }, Response::Complete { date: Some(date), .. }) => {
                Clock::difference(*date, *signed_at, now.steady.saturating_sub(*sent))
            }
            _ => None,
        }
    }

    /// What a request is signed with now; nothing while there are no good credentials.
    pub fn signing(&mut self, now: Timestamp) -> Option<(SetId, Signing<'_>)> {
        let in_use = self.in_use.as_mut().filter(|in_use| in_use.expires.is_none_or(|expires| now < expires))?;
        let signing = in_use.signer.as_deref_mut().map_or(Signing::Envoy, Signing::Keys);
        Some((in_use.id, signing))
    }

    /// AWS has accepted what was signed with this set.
    pub fn accepted(&mut self, set: SetId) {
        if let Some(in_use) = self.in_use.as_mut().filter(|in_use| in_use.id == set) {
            in_use.is_proven = true;
        }
    }

    /// AWS has refused what was signed with this set; returns whether there are others, or will be. A set that was accepted
    /// before is replaced at once; one that never was, at most once a minute. Where a provider has no other than the refused
    /// one, or never had a good one, all providers are asked again.
    pub fn refused(&mut self, set: SetId, now: Now) -> bool {
        let Some(in_use) = self.in_use.as_ref().filter(|in_use| in_use.id == set) else { return true };
        let provider = self.chosen.and_then(|at| self.providers.get(at));
        let is_refreshable = provider.is_some_and(Provider::is_refreshable);
        let may_force = self.forced.is_none_or(|last| now.steady.saturating_sub(last) >= FORCE_INTERVAL);
        let is_replaced = is_refreshable && (in_use.is_proven || may_force);
        let is_given_up = self.chosen.is_some_and(|at| at > 0) && may_force && !(is_refreshable && in_use.is_proven);
        if is_given_up {
            let name = provider.map_or("", Provider::name);
            let reason = format!("{name}: AWS refuses what it gave, so all providers are asked again");
            self.notices.push_back(Notice::CredentialsFailed { reason, delay: Duration::ZERO, is_held: true });
            self.chosen = None;
        } else if !is_replaced {
            return false;
        }
        self.forced = Some(now.steady);
        self.not_before = now.steady;
        self.in_use = None;
        true
    }

    /// The next thing worth a line in the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn is_due(&self, now: Now) -> bool {
        let is_old = match self.in_use.as_ref().map(|in_use| in_use.refresh) {
            None => true,
            Some(Refresh::Never) => false,
            Some(Refresh::At(time)) => now.wall >= time,
            Some(Refresh::After(time)) => now.steady >= time,
        };
        is_old && now.steady >= self.not_before
    }

    /// The region comes first: without it nothing can be signed.
    fn first(&self) -> Target {
        match self.region {
            RegionSource::Known(_) if self.is_unreached => Target::Provider(0),
            RegionSource::Known(_) => Target::Provider(self.chosen.unwrap_or(0)),
            RegionSource::Imds(_) => Target::Region,
        }
    }

    /// Asks on until a request is wanted, or credentials are there, or that has failed.
    fn ask(&mut self, mut target: Target, mut answer: Option<&Response>, now: Now) {
        loop {
            let answer = answer.take();
            target = match (target, &mut self.region) {
                (Target::Region, RegionSource::Imds(lookup)) => match lookup.step(answer) {
                    RegionStep::Call(call) => return self.work = Work::Wanted(target, call),
                    RegionStep::Failed(reason) => {
                        let reason = format!("the region is not known: {reason}");
                        return self.fail(Failure { reason, again: Again::Soon }, now);
                    }
                    RegionStep::Found(region) => {
                        self.region = RegionSource::Known(region);
                        self.first()
                    }
                },
                (Target::Provider(at), RegionSource::Known(region)) => {
                    let Some(provider) = self.providers.get_mut(at) else { return self.none_found(now) };
                    let name = provider.name();
                    match provider.step(answer, Circumstances { now: now.wall, region }) {
                        Step::Call(call) => return self.work = Work::Wanted(target, call),
                        Step::Ready(set) => return self.take(at, set, now),
                        Step::Unsigned => return self.use_(at, None, None, Refresh::Never, now),
                        Step::Failed(Failure { reason, again }) => {
                            return self.fail(Failure { reason: format!("{name}: {reason}"), again }, now);
                        }
                        Step::NotLoaded(reason) => {
                            self.missing.push(format!("{name}: {reason}"));
                            match self.after(at) {
                                Some(next) => next,
                                None => return self.none_found(now),
                            }
                        }
                        Step::Unreachable(reason) => {
                            self.missing.push(format!("{name}: {reason}"));
                            match self.after(at) {
                                Some(next) => {
                                    self.is_unreached = true;
                                    next
                                }
                                None => return self.none_found(now),
                            }
                        }
                    }
                }
                (Target::Region, RegionSource::Known(_)) | (Target::Provider(_), RegionSource::Imds(_)) => self.first(),
            };
        }
    }

    /// Returns who is asked after a provider that has none: the next, but for the one that is kept to.
    fn after(&self, at: usize) -> Option<Target> {
        let is_kept_to = self.chosen.is_some_and(|chosen| at >= chosen);
        (!is_kept_to).then(|| Target::Provider(at.saturating_add(1)))
    }

    fn none_found(&mut self, now: Now) {
        let reason = format!("none found; looked for [{}]", self.missing.join("; "));
        self.fail(Failure { reason, again: Again::Soon }, now);
    }

    fn take(&mut self, at: usize, set: Set, now: Now) {
        let Set { credentials, expires, outlives_expiry, is_expiry_unread } = set;
        if is_expiry_unread && !std::mem::replace(&mut self.has_logged_expiry, true) {
            let provider = self.providers.get(at).map_or("", Provider::name);
            self.notices.push_back(Notice::ExpiryUnread { provider });
        }
        let Some(region) = self.region.region() else { return };
        let signer = match SigningScope::new(region.as_str(), "monitoring") {
            Ok(scope) => Signer::new(credentials, scope),
            Err(error) => return self.fail(Failure { reason: error.to_string(), again: Again::Late }, now),
        };
        let is_refreshable = self.providers.get(at).is_some_and(Provider::is_refreshable);
        let (used_until, refresh) = match expires.map(|expires| (expires, remaining(expires, now.wall))) {
            None if is_refreshable => (None, Refresh::After(now.steady.saturating_add(REREAD))),
            None if self.is_unreached => (None, Refresh::After(now.steady.saturating_add(REREAD))),
            None => (None, Refresh::Never),
            Some((expires, Some(remaining))) => {
                let early = EARLY.min(remaining / 2);
                let early = early.saturating_add(self.random.below(early / 4));
                let wait = remaining.saturating_sub(early).max(LEAST);
                let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                ((!outlives_expiry).then_some(expires), Refresh::At(now.wall.shifted(wait)))
            }
            // Expired when it came, by a clock that may be wrong: AWS is to judge, and its answer corrects the clock.
            Some((_, None)) => {
                let wait = if outlives_expiry { EARLY } else { AGAIN };
                let wait = wait.saturating_add(self.random.below(wait / 4));
                (None, Refresh::After(now.steady.saturating_add(wait)))
            }
        };
        self.use_(at, Some(Box::new(signer)), used_until, refresh, now);
    }

    fn use_(&mut self, at: usize, signer: Option<Box<Signer>>, expires: Option<Timestamp>, refresh: Refresh, now: Now) {
        self.failures = 0;
        let is_refreshable = self.providers.get(at).is_some_and(Provider::is_refreshable);
        let is_same = self.chosen == Some(at) && !is_refreshable;
        if let Some(in_use) = self.in_use.as_mut().filter(|_| is_same) {
            in_use.refresh = refresh;
            return;
        }
        self.chosen = Some(at);
        let id = SetId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.in_use = Some(InUse { id, signer, expires, refresh, is_proven: false });
        if let Some(provider) = self.providers.get(at).filter(|provider| provider.is_refreshable()) {
            let remaining = expires.and_then(|expires| remaining(expires, now.wall));
            self.notices.push_back(Notice::CredentialsLoaded { provider: provider.name(), remaining });
        }
    }

    fn fail(&mut self, Failure { reason, again }: Failure, now: Now) {
        let longest = match again {
            Again::Soon => doubled(LEAST, self.failures).min(MAX_DELAY),
            Again::Late => doubled(LATE_FIRST, self.failures).min(LATE),
        };
        self.failures = self.failures.saturating_add(1);
        let delay = (longest / 2).saturating_add(self.random.below(longest / 2));
        self.not_before = now.steady.saturating_add(delay);
        let is_held = self.signing(now.wall).is_none();
        self.notices.push_back(Notice::CredentialsFailed { reason, delay, is_held });
    }
}

fn doubled(time: Duration, times: u32) -> Duration {
    time.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX))
}

/// How long it is until then.
fn remaining(expires: Timestamp, now: Timestamp) -> Option<Duration> {
    let millis = u64::try_from(expires.millis_since(now)).ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}
