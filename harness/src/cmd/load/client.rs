//! The driver of a load: HTTP/1.1 or HTTP/2, connected to a target that answers.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Args, Target};
use crate::cli::UsageError;
use crate::load::driver::{Driver, DriverSettings, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::h2::{H2Driver, H2Exchange};

/// A driver, and the one exchange it sends.
pub(super) enum Client {
    /// HTTP/1.1.
    Plain(Box<Driver>, Exchange),
    /// HTTP/2 with prior knowledge.
    Http2(Box<(H2Driver, H2Exchange)>),
}

impl Client {
    /// Opens the connections and sends one request: a target that does not speak the protocol, or
    /// refuses, is not loaded.
    ///
    /// # Errors
    /// When the target cannot be connected to, or does not answer as expected.
    pub(super) fn connect(
        args: &Args,
        target: &Target,
        timeout: Duration,
        backlog: u64,
    ) -> anyhow::Result<Self> {
        let address = target.address;
        let settings = DriverSettings {
            pacing: args.pacing,
            timeout,
            backlog_limit: usize::try_from(backlog.max(1))?,
            ..DriverSettings::default()
        };
        let connections = args.connections as usize;
        let unreachable = || format!("cannot connect to {address}; is the server running?");
        let mut client = if let Some(streams) = args.http2 {
            let usage = |e: &dyn std::fmt::Display| UsageError(format!("--http2: {e}"));
            let mut driver = H2Driver::new(settings, streams).map_err(|e| usage(&e))?;
            driver.add_target(address, connections).with_context(unreachable)?;
            let exchange = H2Exchange::parse(&target.exchange).map_err(|e| usage(&e))?;
            Self::Http2(Box::new((driver, exchange)))
        } else {
            let mut driver = Driver::new(settings)?;
            driver.add_target(address, connections).with_context(unreachable)?;
            Self::Plain(Box::new(driver), target.exchange.clone())
        };
        client.probe(target)?;
        Ok(client)
    }

    /// Executes `ops`, each of which sends the exchange.
    ///
    /// # Errors
    /// As the driver's.
    pub(super) fn execute(&mut self, ops: &[Op], mode: Mode) -> anyhow::Result<Executed> {
        Ok(match self {
            Self::Plain(driver, exchange) => {
                driver.execute(ops, std::slice::from_ref(exchange), mode, false)?
            }
            Self::Http2(both) => {
                let (driver, exchange) = &mut **both;
                driver.execute(ops, std::slice::from_ref(exchange), mode)?.executed
            }
        })
    }

    /// One request before the load.
    fn probe(&mut self, target: &Target) -> anyhow::Result<()> {
        let address = target.address;
        let protocol = match self {
            Self::Plain(..) => "HTTP/1.1 and a Content-Length",
            Self::Http2(..) => "HTTP/2",
        };
        let op = [Op { at_ns: 0, target: 0, exchange: 0 }];
        let row = self.execute(&op, Mode::Closed)?.rows[0];
        ensure!(
            row.status != 0,
            "{address} did not answer one request with {protocol}: {:?}",
            row.outcome
        );
        let Expect::Status(wanted) = target.exchange.expect else { return Ok(()) };
        ensure!(
            row.status == wanted,
            "{address} answered one request with status {}, not {wanted}; --expect names another",
            row.status
        );
        Ok(())
    }
}
