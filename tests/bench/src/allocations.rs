//! The allocator of this program, which counts while it is asked to.
//!
//! Invariant: it counts what the asking thread does, and nothing while nobody asks, so that peers that allocate pay no
//! more than one load of a thread-local flag.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use mimalloc::MiMalloc;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// What a piece of work asked of the allocator.
pub struct Allocated {
    /// How often it asked for memory, reallocation among it.
    pub count: u64,
    /// How many bytes it asked for and has not given back.
    pub live_bytes: i64,
}

/// Runs the work and counts.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    let (count, live) = (COUNT.get(), LIVE.get());
    ASKED.set(true);
    let made = work();
    ASKED.set(false);
    (made, Allocated { count: COUNT.get() - count, live_bytes: LIVE.get() - live })
}

fn note(count: u64, bytes: i64) {
    // A thread that ends has no thread-locals any more, and nobody asks it.
    if ASKED.try_with(Cell::get).unwrap_or(false) {
        COUNT.set(COUNT.get() + count);
        LIVE.set(LIVE.get() + bytes);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every call is handed on, unchanged, to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, -signed(layout.size()));
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, signed(size) - signed(layout.size()));
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}
