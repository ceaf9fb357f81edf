//! The work that an application does for itself in a request: it reads and writes so much memory.
//!
//! An amount, and not a time: where authentication and the application push each other out of the
//! processor's caches, both take longer, and that is part of what authentication costs.

use std::cell::RefCell;
use std::hint::black_box;

/// One cache line, as it is on every processor that is measured on.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(u64);

/// What it is done on, again and again: 1 MiB, about what the caches of one core hold.
const LINES: usize = 16 * 1_024;
const LINES_PER_KIB: u32 = 16;

thread_local! {
    static MEMORY: RefCell<(Vec<Line>, usize)> = RefCell::new((vec![Line(0); LINES], 0));
}

/// Changes every cache line of the next `kib` KiB of this thread's memory, from its begin again at
/// its end.
pub(super) fn do_kib(kib: u32) {
    if kib == 0 {
        return;
    }
    MEMORY.with_borrow_mut(|(lines, at)| {
        for _ in 0..kib.saturating_mul(LINES_PER_KIB) {
            let line = &mut lines[*at];
            line.0 = black_box(line.0.wrapping_add(1));
            *at = (*at + 1) % LINES;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_changed_in_its_turn() {
        let counts = || MEMORY.with_borrow(|(lines, _)| [lines[0].0, lines[LINES - 1].0]);
        assert_eq!(size_of::<Line>(), 64);
        do_kib(1_023);
        assert_eq!(counts(), [1, 0]);
        do_kib(1);
        assert_eq!(counts(), [1, 1]);
        do_kib(1_025);
        assert_eq!(counts(), [3, 2]);
    }
}
