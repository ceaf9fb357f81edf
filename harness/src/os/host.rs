//! stub
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    pub steal: u64,
    pub softirq: u64,
}
pub fn ticks() -> Option<Ticks> {
    None
}
pub fn runqueue_wait_ns(_pid: u32) -> Option<u64> {
    None
}
