//! A target: its connections, which of them are idle, and the requests that wait for one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::{Registry, Token};

use super::connection::Connection;

/// A place for a connection, and the request that is on it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
    pub(super) op: Option<usize>,
}

/// One address the driver sends to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) slots: Vec<Slot>,
    pub(super) idle: Vec<usize>,
    pub(super) queue: VecDeque<usize>,
    /// The poll token of the first slot; the others follow.
    pub(super) first_token: usize,
    /// Requests written so far, over all schedules.
    pub(super) sent: u64,
}

impl Target {
    /// Opens every connection.
    ///
    /// # Errors
    /// When the target refuses one.
    pub(super) fn open(
        address: SocketAddr,
        connections: usize,
        registry: &Registry,
        first_token: usize,
    ) -> io::Result<Self> {
        let slots = (0..connections)
            .map(|i| {
                let connection = Connection::open(address, registry, Token(first_token + i))?;
                Ok(Slot { connection: Some(connection), op: None })
            })
            .collect::<io::Result<Vec<Slot>>>()?;
        let idle = (0..connections).rev().collect();
        Ok(Self { address, slots, idle, queue: VecDeque::new(), first_token, sent: 0 })
    }
}
