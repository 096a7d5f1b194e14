//! The contexts of a VM: roots, and the streams that belong to them.

use acpw_metric::Places;

/// A plugin configuration's root context, with the events of the streams that belong to it. Events come one after the
/// other: what a host call leads to, Envoy tells when the event in which it was made is over.
///
/// A module exports the events that its plugin handles, and no others.
pub trait Plugin: Default {
    /// What is kept of a stream between its events.
    type Stream: Default;

    /// The configuration is there; `false` refuses it.
    fn on_configure(&mut self) -> bool;

    /// The time set with `set_tick_period` has passed.
    fn on_tick(&mut self);

    /// The configuration is no longer used. Streams may still end after this.
    fn on_done(&mut self) {}

    /// There is a record in a queue that this VM has registered.
    fn on_queue_ready(&mut self) {}

    /// A callout has come to its end; to an answer of Envoy's own, if to no other. Nothing is to be dispatched here.
    fn on_http_call_response(&mut self, _: Callout) {}

    /// As an access logger: a request has ended.
    fn on_log(&mut self) {}

    /// As a filter: a request's headers have arrived.
    fn on_request_headers(&mut self, _: &mut Self::Stream, _: Part) -> Action {
        Action::Continue
    }

    /// As a filter: `length` bytes of a request's body have arrived.
    fn on_request_body(&mut self, _: &mut Self::Stream, _: Part, _length: usize) -> Action {
        Action::Continue
    }

    /// As a filter: a request has ended, whether its headers ever arrived or not. This is the last event of its context,
    /// whose number is `_context`.
    fn on_stream_log(&mut self, _: Self::Stream, _context: u32) {}
}

/// The host's number of a callout, as `on_http_call_response` names it.
pub type Callout = u32;

/// A part of a request.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The number of the request's context.
    pub context: u32,
    /// Nothing comes after it.
    pub is_end: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// It goes on.
    #[default]
    Continue = 0,
    /// It stays with this filter.
    Pause = 1,
}

/// All contexts of a VM. A VM can have several configurations, the old one and the new one during an update for instance.
///
/// Envoy logs a stream last, and once; a root that is done has no ticks any more, but may still be told of requests that
/// have ended. So streams are dropped when they are logged, and roots when the next one begins: Envoy need not enter the
/// VM once more for each request to tell that its context is gone.
pub struct Contexts<P: Plugin> {
    /// Few: mostly one.
    roots: Vec<Root<P>>,
    /// In any order.
    streams: Vec<Stream<P::Stream>>,
    /// Of streams, by their numbers.
    places: Places,
}

struct Root<P> {
    id: u32,
    plugin: P,
    streams: usize,
    is_done: bool,
}

struct Stream<S> {
    id: u32,
    root: u32,
    kept: S,
}

impl<P: Plugin> Default for Contexts<P> {
    fn default() -> Self {
        Self { roots: Vec::new(), streams: Vec::new(), places: Places::default() }
    }
}

impl<P: Plugin> Contexts<P> {
    /// A context begins: a stream of a root, or with no root (0) a root itself. Its number is that of no other.
    pub fn create(&mut self, id: u32, root: u32) {
        if root == 0 {
            self.roots.retain(|root| !root.is_done || root.streams > 0);
            self.roots.push(Root { id, plugin: P::default(), streams: 0, is_done: false });
        } else if let Some(parent) = root_of(&mut self.roots, root) {
            parent.streams = parent.streams.saturating_add(1);
            self.places.insert(self.places.hash(id), self.streams.len());
            self.streams.push(Stream { id, root, kept: P::Stream::default() });
        }
    }

    /// A context is done. Of a stream nothing is to be done that is not done when it is logged.
    pub fn done(&mut self, id: u32) {
        if let Some(root) = root_of(&mut self.roots, id) {
            root.is_done = true;
            root.plugin.on_done();
        }
    }

    /// The root context of this number.
    pub fn root(&mut self, id: u32) -> Option<&mut P> {
        root_of(&mut self.roots, id).map(|root| &mut root.plugin)
    }

    /// A request's headers have arrived.
    pub fn request_headers(&mut self, context: u32, is_end: bool) -> Action {
        match self.stream(context) {
            Some((plugin, stream)) => plugin.on_request_headers(stream, Part { context, is_end }),
            None => Action::Continue,
        }
    }

    /// A piece of a request's body has arrived.
    pub fn request_body(&mut self, context: u32, is_end: bool, length: usize) -> Action {
        match self.stream(context) {
            Some((plugin, stream)) => plugin.on_request_body(stream, Part { context, is_end }, length),
            None => Action::Continue,
        }
    }

    /// A request has ended.
    pub fn log(&mut self, id: u32) {
        match self.end(id) {
            Some(stream) => {
                if let Some(root) = root_of(&mut self.roots, stream.root) {
                    root.streams = root.streams.saturating_sub(1);
                    root.plugin.on_stream_log(stream.kept, id);
                }
            }
            None => {
                if let Some(plugin) = self.root(id) {
                    plugin.on_log();
                }
            }
        }
    }

    /// Takes out the stream of this number; the last one takes its place.
    fn end(&mut self, id: u32) -> Option<Stream<P::Stream>> {
        let place = self.place(id)?;
        self.places.remove(self.places.hash(id), place);
        let last = self.streams.pop()?;
        let end = self.streams.len();
        match self.streams.get_mut(place) {
            Some(stream) => {
                self.places.replace(self.places.hash(last.id), end, place);
                Some(std::mem::replace(stream, last))
            }
            None => Some(last),
        }
    }

    /// The stream of this number, and its root.
    fn stream(&mut self, id: u32) -> Option<(&mut P, &mut P::Stream)> {
        let stream = self.place(id).and_then(|place| self.streams.get_mut(place))?;
        Some((&mut root_of(&mut self.roots, stream.root)?.plugin, &mut stream.kept))
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.places.find(self.places.hash(id), |place| self.streams.get(place).is_some_and(|stream| stream.id == id))
    }
}

fn root_of<P>(roots: &mut [Root<P>], id: u32) -> Option<&mut Root<P>> {
    roots.iter_mut().find(|root| root.id == id)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    thread_local! {
        static EVENTS: Rc<RefCell<Vec<String>>> = Rc::default();
    }

    fn tell(event: String) {
        EVENTS.with(|events| events.borrow_mut().push(event));
    }

    fn told() -> Vec<String> {
        EVENTS.with(|events| std::mem::take(&mut *events.borrow_mut()))
    }

    #[derive(Default)]
    struct Counting {
        requests: u32,
    }

    impl Plugin for Counting {
        type Stream = Option<u32>;

        fn on_configure(&mut self) -> bool {
            true
        }

        fn on_tick(&mut self) {}

        fn on_done(&mut self) {
            tell("done".to_owned());
        }

        fn on_log(&mut self) {
            tell("logged by the root".to_owned());
        }

        fn on_request_headers(&mut self, stream: &mut Self::Stream, part: Part) -> Action {
            self.requests += 1;
            *stream = Some(self.requests);
            if part.is_end { Action::Pause } else { Action::Continue }
        }

        fn on_stream_log(&mut self, stream: Self::Stream, context: u32) {
            tell(format!("{context}: {stream:?} of {}", self.requests));
        }
    }

    impl Drop for Counting {
        fn drop(&mut self) {
            tell("dropped".to_owned());
        }
    }

    #[test]
    fn streams_keep_what_is_theirs_and_know_their_root() {
        let mut contexts = Contexts::<Counting>::default();
        contexts.create(1, 0);
        contexts.create(2, 0);
        for (stream, root) in [(3, 1), (4, 2), (5, 1), (6, 1)] {
            contexts.create(stream, root);
        }
        for stream in [3, 4, 5] {
            assert_eq!(contexts.request_headers(stream, false), Action::Continue);
        }
        for context in [5, 3, 4, 6, 1, 9] {
            contexts.log(context);
        }
        let expected = ["5: Some(2) of 2", "3: Some(1) of 2", "4: Some(1) of 1", "6: None of 2", "logged by the root"];
        assert_eq!(told(), expected);
        contexts.log(5);
        assert_eq!(told(), [""; 0]);
        assert!(contexts.root(2).is_some() && contexts.root(3).is_none());
    }

    #[test]
    fn streams_end_in_any_order() {
        const STREAMS: u32 = 10_000;
        let mut contexts = Contexts::<Counting>::default();
        contexts.create(1, 0);
        let ids = || (0..STREAMS).map(|n| 2 + n * 7_919 % STREAMS);
        for _ in 0..2 {
            (2..STREAMS + 2).for_each(|id| contexts.create(id, 1));
            ids().for_each(|id| _ = contexts.request_headers(id, true));
            ids().step_by(3).for_each(|id| contexts.log(id));
            ids().for_each(|id| contexts.log(id));
            let told = told();
            assert_eq!(told.len(), STREAMS as usize);
            let of = contexts.root(1).map(|root| root.requests);
            for (id, request) in ids().zip(of.unwrap_or_default() - STREAMS + 1..).step_by(997) {
                assert!(told.contains(&format!("{id}: Some({request}) of {}", of.unwrap())), "{id}");
            }
        }
        assert!(contexts.streams.is_empty());
    }

    #[test]
    fn a_root_that_is_done_stays_until_another_begins_and_its_last_stream_has_ended() {
        let mut contexts = Contexts::<Counting>::default();
        contexts.create(1, 0);
        contexts.create(2, 1);
        contexts.request_headers(2, true);
        contexts.done(2);
        assert_eq!(told(), [""; 0]);
        contexts.done(1);
        contexts.create(3, 0);
        contexts.log(2);
        contexts.log(1);
        assert_eq!(told(), ["done", "2: Some(1) of 1", "logged by the root"]);
        contexts.create(4, 0);
        assert_eq!(told(), ["dropped"]);
        for context in [1, 2, 3, 4] {
            contexts.request_headers(context, true);
            contexts.done(context);
        }
        contexts.create(5, 1);
        contexts.log(5);
        assert_eq!(told(), ["done", "done"]);
        contexts.create(6, 0);
        assert_eq!(told(), ["dropped", "dropped"]);
    }
}
