//! The contexts of a VM that observes requests: roots, and the streams that belong to them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A plugin configuration's root context, with the events of the streams that belong to it.
pub trait Filter: Default {
    /// What is kept of a stream between its events.
    type Stream: Default;

    /// The configuration is there; `false` refuses it.
    fn on_configure(&mut self) -> bool;
    /// The time set with `set_tick_period` has passed.
    fn on_tick(&mut self);
    /// The configuration is no longer used. Streams may still end after this.
    fn on_done(&mut self);
    /// As an access logger: a request has ended.
    fn on_log(&mut self);
    /// As a filter: a request's headers have arrived. It goes on in any case.
    fn on_request_headers(&mut self, stream: &mut Self::Stream);
    /// As a filter: a request has ended, whether its headers ever arrived or not.
    fn on_stream_log(&mut self, stream: &mut Self::Stream);
}

/// All contexts of a VM. A VM can have several configurations, the old one and the new one during an update for instance.
pub struct Contexts<F: Filter> {
    roots: HashMap<u32, Root<F>, RandomState>,
    streams: HashMap<u32, (u32, F::Stream), RandomState>,
}

struct Root<F> {
    filter: F,
    streams: usize,
    is_deleted: bool,
}

impl<F: Filter> Default for Contexts<F> {
    fn default() -> Self {
        Self { roots: HashMap::default(), streams: HashMap::default() }
    }
}

impl<F: Filter> Contexts<F> {
    /// A context begins: a stream of a root, or with no root (0) a root itself.
    pub fn create(&mut self, id: u32, root: u32) {
        if root == 0 {
            self.roots.insert(id, Root { filter: F::default(), streams: 0, is_deleted: false });
        } else if let Some(parent) = self.roots.get_mut(&root) {
            parent.streams = parent.streams.saturating_add(1);
            self.streams.insert(id, (root, F::Stream::default()));
        }
    }

    /// A context is gone. A root stays until its last stream is gone too.
    pub fn delete(&mut self, id: u32) {
        let root = match self.streams.remove(&id) {
            Some((root, _)) => {
                if let Some(parent) = self.roots.get_mut(&root) {
                    parent.streams = parent.streams.saturating_sub(1);
                }
                root
            }
            None => {
                if let Some(root) = self.roots.get_mut(&id) {
                    root.is_deleted = true;
                }
                id
            }
        };
        if self.roots.get(&root).is_some_and(|root| root.is_deleted && root.streams == 0) {
            self.roots.remove(&root);
        }
    }

    /// The root context of this number.
    pub fn root(&mut self, id: u32) -> Option<&mut F> {
        self.roots.get_mut(&id).map(|root| &mut root.filter)
    }

    /// A request's headers have arrived.
    pub fn request_headers(&mut self, id: u32) {
        if let Some((root, stream)) = self.streams.get_mut(&id)
            && let Some(root) = self.roots.get_mut(root)
        {
            root.filter.on_request_headers(stream);
        }
    }

    /// A request has ended.
    pub fn log(&mut self, id: u32) {
        match self.streams.get_mut(&id) {
            Some((root, stream)) => {
                if let Some(root) = self.roots.get_mut(root) {
                    root.filter.on_stream_log(stream);
                }
            }
            None => {
                if let Some(root) = self.roots.get_mut(&id) {
                    root.filter.on_log();
                }
            }
        }
    }
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
    struct Plugin {
        requests: u32,
    }

    impl Filter for Plugin {
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

        fn on_request_headers(&mut self, stream: &mut Self::Stream) {
            self.requests += 1;
            *stream = Some(self.requests);
        }

        fn on_stream_log(&mut self, stream: &mut Self::Stream) {
            tell(format!("{stream:?} of {}", self.requests));
        }
    }

    impl Drop for Plugin {
        fn drop(&mut self) {
            tell("dropped".to_owned());
        }
    }

    #[test]
    fn streams_keep_what_is_theirs_and_know_their_root() {
        let mut contexts = Contexts::<Plugin>::default();
        contexts.create(1, 0);
        contexts.create(2, 0);
        for (stream, root) in [(3, 1), (4, 2), (5, 1), (6, 1)] {
            contexts.create(stream, root);
        }
        for stream in [3, 4, 5] {
            contexts.request_headers(stream);
        }
        for context in [5, 3, 4, 6, 1, 9] {
            contexts.log(context);
        }
        assert_eq!(told(), ["Some(2) of 2", "Some(1) of 2", "Some(1) of 1", "None of 2", "logged by the root"]);
        assert!(contexts.root(2).is_some() && contexts.root(3).is_none());
    }

    #[test]
    fn a_root_stays_until_its_last_stream_is_gone() {
        let mut contexts = Contexts::<Plugin>::default();
        contexts.create(1, 0);
        contexts.create(2, 1);
        contexts.request_headers(2);
        contexts.root(1).unwrap().on_done();
        contexts.delete(1);
        contexts.log(2);
        assert_eq!(told(), ["done", "Some(1) of 1"]);
        contexts.delete(2);
        assert_eq!(told(), ["dropped"]);
        contexts.log(2);
        contexts.delete(2);
        contexts.request_headers(2);
        contexts.create(3, 1);
        contexts.log(3);
        assert_eq!(told(), [""; 0]);
    }
}
