//! Revocation of an application that is not ours: how long a credential goes on working after its
//! logout, on any of its nodes.
//!
//! [`nodes`] finds the application, [`credential`] reads what it hands out, [`layout`] fixes every
//! time before the first request, [`judge`] reads the answers, [`figures`] sums up. The method is
//! that of [`super::lag`]; what differs is that nothing is promised here, so that a credential that
//! is still good when the watch ends is a result.
//!
//! Deliberately absent: redirects, cookies beyond the one of the login, TLS, a promise to hold the
//! application to.

pub mod credential;
pub mod figures;
pub mod judge;
pub mod layout;
pub mod nodes;
mod trials;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use self::credential::{take, tampered};
use self::judge::{Judge, Seen};
use self::layout::Layout;
use self::nodes::Node;
use crate::load::driver::{Driver, DriverSettings, Executed, Mode};
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::Row;
use crate::plan::foreign::{Parts, TargetFile};
use crate::plan::template::Values;
use crate::record::foreign::{Controls, ForeignRecord, SCHEMA, Setup};
use crate::record::io::utc_now;

/// A request unanswered this long has failed: logins may hash a password.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to each node.
const CONNECTIONS: usize = 16;

/// An application while it is being measured.
#[derive(Debug)]
struct Session<'a> {
    target: &'a TargetFile,
    nodes: &'a [Node],
    driver: Driver,
}

/// Measures the application.
///
/// `passed` is told the number of trials done, and of those there are.
///
/// # Errors
/// When the application cannot be reached, a login or the first logout fails, or a fresh credential
/// is not accepted: there is nothing to measure. A tampered credential that is accepted is no error
/// but makes the record void.
pub fn measure(
    target: &TargetFile,
    nodes: &[Node],
    layouts: &[Layout],
    seed: u64,
    passed: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<ForeignRecord> {
    let begun_at = utc_now();
    let mut session = Session::open(target, nodes)?;
    let controls = session.controls()?;
    let mut series = Vec::new();
    let void = void_of(controls, nodes);
    if void.is_none() {
        let of_all = layouts.iter().map(|layout| layout.trials()).sum();
        let mut done = 0;
        for layout in layouts {
            series.push(session.series(layout, &mut |trials| {
                done += trials;
                passed(done, of_all);
            })?);
        }
    }
    let void = void.or_else(|| series.iter().find_map(figures::too_few_judged));
    let probe = &target.request;
    let path = probe.path.source().split('?').next().unwrap_or_default();
    Ok(ForeignRecord {
        schema: SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        begun_at,
        setup: Setup {
            nodes: nodes.iter().map(|node| node.shown.clone()).collect(),
            request: format!("{} {path}", probe.method),
            probe_interval_ns: target.interval_ms() * 1_000_000,
            watch_ns: target.watch_ms * 1_000_000,
            rate_per_second: target.rate_per_second,
            seed: seed.to_string(),
        },
        controls,
        series,
        void,
    })
}

fn void_of(controls: Controls, nodes: &[Node]) -> Option<String> {
    let open = nodes.len() as u32 - controls.tampered_refused;
    (open > 0).then(|| {
        format!(
            "a credential with one character changed was not refused by {open} of {} nodes: what \
             accepts anything cannot be seen to revoke; ask a path that needs the credential, or \
             correct `accept` and `refuse`",
            nodes.len()
        )
    })
}

impl<'a> Session<'a> {
    fn open(target: &'a TargetFile, nodes: &'a [Node]) -> anyhow::Result<Self> {
        let settings = DriverSettings { timeout: TIMEOUT, ..DriverSettings::default() };
        let mut driver = Driver::new(settings)?;
        for node in nodes {
            driver
                .add_target(node.address, CONNECTIONS)
                .with_context(|| format!("cannot connect to {}; is it running?", node.shown))?;
        }
        Ok(Self { target, nodes, driver })
    }

    /// Sends `exchanges` to their nodes, evenly spaced within the rate; the answers by index.
    fn call(&mut self, calls: Vec<(usize, Exchange)>) -> anyhow::Result<Executed> {
        let spacing_ns = 1_000_000_000 / self.target.rate_per_second.max(1);
        let ops: Vec<Op> = calls
            .iter()
            .zip(0_u32..)
            .map(|((node, _), exchange)| Op {
                at_ns: u64::from(exchange) * spacing_ns,
                target: *node as u32,
                exchange,
            })
            .collect();
        let exchanges: Vec<Exchange> = calls.into_iter().map(|(_, exchange)| exchange).collect();
        let mut executed = self.driver.execute(&ops, &exchanges, Mode::Open, false)?;
        executed.captured.sort_by_key(|(op, _)| *op);
        Ok(executed)
    }

    fn exchange(
        &self,
        node: usize,
        parts: Parts<'_>,
        values: Values<'_>,
    ) -> anyhow::Result<Exchange> {
        Ok(Exchange { request: self.nodes[node].request(parts, values)?, expect: Expect::Any })
    }

    /// The user of trial `n`.
    fn user(&self, n: u32) -> String {
        self.target.user.fill(Values { n, ..Values::default() })
    }

    /// Logs the users of `numbers` in on the first node and returns their credentials.
    fn log_in(&mut self, numbers: &[u32]) -> anyhow::Result<Vec<String>> {
        let login = &self.target.login;
        let place = login.place().context("[login] does not say where the credential is")?;
        let calls = numbers
            .iter()
            .map(|n| {
                let values = Values { user: &self.user(*n), n: *n, credential: "" };
                Ok((0, self.exchange(0, login.parts(), values)?))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let executed = self.call(calls)?;
        for row in &executed.rows {
            must_be("a login", row, &login.accept, "[login]")?;
        }
        ensure!(executed.captured.len() == numbers.len(), "a login was not answered whole");
        let found = executed.captured.iter().map(|(_, answer)| take(place, answer));
        found
            .collect::<Result<Vec<_>, _>>()
            .map_err(|what| anyhow::anyhow!("the answer of a login {what}"))
    }

    /// Presents `credential` to every node once; what each made of it, and the status.
    fn present(&mut self, n: u32, credential: &str) -> anyhow::Result<Vec<(Seen, Row)>> {
        let judge = Judge::of(&self.target.request);
        let user = self.user(n);
        let values = Values { user: &user, n, credential };
        let calls = (0..self.nodes.len())
            .map(|node| Ok((node, self.exchange(node, self.target.request.parts(), values)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let executed = self.call(calls)?;
        let seen = judge.all(&executed);
        Ok(seen.into_iter().zip(executed.rows).collect())
    }

    /// A fresh credential is accepted, a tampered one refused, and a logout answered.
    fn controls(&mut self) -> anyhow::Result<Controls> {
        let credential = self.log_in(&[0])?.remove(0);
        let fresh = self.present(0, &credential)?;
        for (node, (seen, row)) in fresh.iter().enumerate() {
            let name = &self.nodes[node].shown;
            if *seen == Seen::Accepted {
                continue;
            }
            let answer = answer_of(row);
            if node > 0 && fresh[0].0 == Seen::Accepted {
                bail!(
                    "{name} {answer} to a credential that {} hands out and accepts: nodes must \
                     share their sessions or keys; give one base URL to measure one alone",
                    self.nodes[0].shown
                );
            }
            bail!(
                "{name} {answer} to a fresh credential, which is not what [request] accepts; \
                 check its headers and `accept`, or see what is sent with --dry-run"
            );
        }
        let forged = self.present(0, &tampered(&credential))?;
        let refused = forged.iter().filter(|(seen, _)| *seen == Seen::Refused).count();
        if let Some((_, row)) = forged.iter().find(|(seen, _)| *seen == Seen::Neither) {
            bail!(
                "a tampered credential got an answer that is neither accepted nor refused: the \
                 application {}; add it to `refuse` of [request] if that is how it refuses",
                answer_of(row)
            );
        }
        let logout = &self.target.logout;
        let user = self.user(0);
        let values = Values { user: &user, n: 0, credential: &credential };
        let call = self.exchange(0, logout.parts(), values)?;
        let executed = self.call(vec![(0, call)])?;
        must_be("a logout", &executed.rows[0], &logout.accept, "[logout]")?;
        Ok(Controls { fresh_accepted: fresh.len() as u32, tampered_refused: refused as u32 })
    }
}

/// What the application did, in words: `answered 403`.
fn answer_of(row: &Row) -> String {
    match row.status {
        0 => format!("gave no HTTP/1.1 answer that is read here ({:?})", row.outcome),
        status => format!("answered {status}"),
    }
}

fn must_be(what: &str, row: &Row, accept: &[u16], section: &str) -> anyhow::Result<()> {
    ensure!(
        accept.contains(&row.status),
        "{what} did not succeed: the application {}, and {section} accepts {accept:?}; redirects \
         are not followed and no CSRF token is fetched",
        answer_of(row)
    );
    Ok(())
}
