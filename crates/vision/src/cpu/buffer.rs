//! Memory whose first value begins a cache line, and a pool of it.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Values of f32, as a slice; the first begins a cache line, so that no vector spans two.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn new(len: usize) -> Buffer {
        Buffer { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is sixteen f32 without padding, and `len` is at most sixteen times as many as there are.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Buffers that were used before: fresh memory costs a page fault every 4 KiB.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Buffer>>);

impl Pool {
    /// `len` values of any content.
    pub fn take(&self, len: usize) -> Pooled<'_> {
        let mut free = self.0.lock().expect("no code panics while it holds this lock");
        let fits = (0..free.len()).filter(|i| free[*i].lines.len() * 16 >= len).min_by_key(|i| free[*i].lines.len());
        let buffer = match fits {
            Some(i) => {
                let mut buffer = free.swap_remove(i);
                buffer.len = len;
                buffer
            }
            None => {
                drop(free);
                Buffer::new(len)
            }
        };
        Pooled { pool: self, buffer: Some(buffer) }
    }
}

/// A buffer that goes back to its pool.
pub struct Pooled<'a> {
    pool: &'a Pool,
    buffer: Option<Buffer>,
}

impl Deref for Pooled<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.buffer.as_ref().expect("taken when dropped")
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.buffer.as_mut().expect("taken when dropped")
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        let buffer = self.buffer.take().expect("dropped once");
        if let Ok(mut free) = self.pool.0.lock() {
            free.push(buffer);
        }
    }
}
