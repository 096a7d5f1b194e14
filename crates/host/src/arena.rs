//! Memory for what the host hands over during one event, given back all at once at its end.
//!
//! A request is read in several calls, and for each of them the host asks for memory. From the heap that would cost more
//! than everything else that a plugin does for the request.

#![allow(unsafe_code, reason = "memory that the host writes to")]

use std::{
    alloc::{Layout, alloc},
    cell::{Cell, RefCell, UnsafeCell},
    ptr::NonNull,
};

/// All headers of a common request, and a dozen properties. What does not fit comes from the heap.
const SIZE: usize = 16 * 1024;

thread_local! {
    /// For itself: nothing but zeros takes no room in a module.
    static MEMORY: UnsafeCell<[u8; SIZE]> = const { UnsafeCell::new([0; SIZE]) };
    static ARENA: Arena = const {
        Arena {
            used: Cell::new(0),
            is_open: Cell::new(false),
            spilled: RefCell::new(Vec::new()),
        }
    };
}

struct Arena {
    /// How much of the memory is given away.
    used: Cell<usize>,
    /// Whether there is an event that will give it back.
    is_open: Cell<bool>,
    /// What came from the heap during this event, and lives as long.
    spilled: RefCell<Vec<Vec<u8>>>,
}

/// An event under way. What is read by way of it lives as long as it.
#[derive(Debug)]
pub struct Event(());

/// Runs `act` as one event.
pub fn event<T>(act: impl FnOnce(&Event) -> T) -> T {
    let is_outer = ARENA.with(|arena| !arena.is_open.replace(true));
    let result = act(&Event(()));
    if is_outer {
        ARENA.with(|arena| {
            arena.is_open.set(false);
            arena.used.set(0);
            arena.spilled.borrow_mut().clear();
        });
    }
    result
}

impl Event {
    /// Keeps what the host has handed over: `data` comes from [`allocate`] with this length.
    ///
    /// # Safety
    /// It must be initialized, and nobody else may use it.
    pub(crate) unsafe fn keep(&self, data: *mut u8, length: usize) -> &[u8] {
        if data.is_null() || length == 0 {
            return &[];
        }
        if !is_within(data) {
            // SAFETY: it comes from the heap, with exactly this length. Moving the vector does not move its bytes, which
            // are freed at the end of the event.
            let spilled = unsafe { Vec::from_raw_parts(data, length, length) };
            ARENA.with(|arena| arena.spilled.borrow_mut().push(spilled));
        }
        // SAFETY: these bytes are given away once and are not reused before the event ends, which this borrow keeps from
        // ending.
        unsafe { std::slice::from_raw_parts(data, length) }
    }
}

/// Memory for what the host hands over: during an event from its memory, otherwise, or where there is no room, an
/// allocation of exactly that length.
pub fn allocate(length: usize) -> *mut u8 {
    let within = ARENA.with(|arena| {
        let start = arena.used.get();
        let end = start.checked_add(length).filter(|end| arena.is_open.get() && *end <= SIZE)?;
        arena.used.set(end);
        Some(memory().wrapping_add(start))
    });
    within.unwrap_or_else(|| match Layout::array::<u8>(length) {
        // SAFETY: the layout is not empty.
        Ok(layout) if length > 0 => unsafe { alloc(layout) },
        _ => NonNull::dangling().as_ptr(),
    })
}

/// Whether this address lies in the memory of events, and so is not to be freed.
pub(crate) fn is_within(data: *const u8) -> bool {
    (data as usize).wrapping_sub(memory() as usize) < SIZE
}

fn memory() -> *mut u8 {
    MEMORY.with(|memory| memory.get().cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host does: asks for memory and writes to it.
    fn hand_over(bytes: &[u8]) -> (*mut u8, usize) {
        let data = allocate(bytes.len());
        // SAFETY: it was allocated with this length.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        (data, bytes.len())
    }

    fn read<'e>(event: &'e Event, bytes: &[u8]) -> &'e [u8] {
        let (data, length) = hand_over(bytes);
        // SAFETY: it was handed over just now.
        unsafe { event.keep(data, length) }
    }

    #[test]
    fn what_is_read_lives_as_long_as_its_event() {
        for _ in 0..3 {
            event(|event| {
                let large = [7; SIZE];
                let texts =
                    [read(event, b"a header"), read(event, b""), read(event, &large), read(event, b"a property")];
                assert_eq!(texts, [&b"a header"[..], b"", &large, b"a property"]);
            });
            assert!(ARENA.with(|arena| arena.spilled.borrow().is_empty()));
        }
    }

    #[test]
    fn the_memory_is_used_to_its_last_byte_and_then_again() {
        for _ in 0..2 {
            event(|event| {
                let (most, last) = (read(event, &[1; SIZE - 1]), read(event, &[2; 1]));
                assert!(is_within(most.as_ptr()) && is_within(last.as_ptr()));
                let beyond = read(event, &[3; 1]);
                assert!(!is_within(beyond.as_ptr()));
                assert_eq!((most.first(), last, beyond), (Some(&1), &[2][..], &[3][..]));
            });
        }
    }

    #[test]
    fn outside_of_an_event_memory_comes_from_the_heap() {
        let (data, length) = hand_over(b"configuration");
        assert!(!is_within(data));
        // SAFETY: as the host's functions do it.
        assert_eq!(unsafe { Vec::from_raw_parts(data, length, length) }, b"configuration");
    }

    #[test]
    fn an_event_within_another_gives_nothing_back() {
        event(|outer| {
            let first = read(outer, b"first");
            event(|inner| assert_eq!(read(inner, b"second"), b"second"));
            let third = read(outer, b"third");
            assert_eq!((first, third), (&b"first"[..], &b"third"[..]));
        });
    }
}
