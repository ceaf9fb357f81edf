//! A target: which of its connections are idle, and the requests that wait for one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::{Registry, Token};

use super::connection::Connection;

/// A place for a connection, and the request that is on it. Its index is its poll token.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
    /// The request on it, by its index in the schedule.
    pub(super) op: Option<usize>,
    pub(super) target: usize,
}

/// One address the driver sends to.
///
/// Between two steps of the driver's loop either nothing waits or nothing is idle.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// Slots without a request. The last one is used next, so that a target under little load keeps
    /// few connections warm; a broken one goes to the front.
    pub(super) idle: Vec<usize>,
    pub(super) queue: VecDeque<usize>,
    /// Requests written so far, over all schedules.
    pub(super) sent: u64,
}

impl Target {
    /// Opens `connections` connections into new slots of `slots`.
    ///
    /// # Errors
    /// When the target refuses one; `slots` is as before then.
    pub(super) fn open(
        address: SocketAddr,
        connections: usize,
        registry: &Registry,
        index: usize,
        slots: &mut Vec<Slot>,
    ) -> io::Result<Self> {
        let first = slots.len();
        let opened = (first..first + connections)
            .map(|token| {
                let connection = Connection::open(address, registry, Token(token))?;
                Ok(Slot { connection: Some(connection), op: None, target: index })
            })
            .collect::<io::Result<Vec<Slot>>>()?;
        slots.extend(opened);
        let idle = (first..first + connections).rev().collect();
        Ok(Self { address, idle, queue: VecDeque::new(), sent: 0 })
    }
}
