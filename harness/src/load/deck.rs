//! A deck: the verified exchanges of one server for one mix, dealt as schedules, counted by kind.

use anyhow::{Context as _, bail, ensure};
use rand::{Rng, RngExt as _};

use super::driver::{Driver, Mode};
use super::exchange::{Exchange, Expect, Op};
use super::mix::{Kind, Mix};
use super::outcome::{Outcome, Row, ledger};
use super::zipf::Popularity;
use crate::record::run::Ledger;
use crate::server::control::Counters;

/// Where the exchanges of one kind stand, and how many single-use ones are gone.
#[derive(Clone, Copy, Debug, Default)]
struct Pile {
    first: u32,
    len: u32,
    dealt: u32,
}

/// The exchanges of one server for one mix.
#[derive(Clone, Debug)]
pub struct Deck {
    mix: Mix,
    target: u32,
    exchanges: Vec<Exchange>,
    kinds: Vec<Kind>,
    piles: [Pile; Kind::ALL.len()],
    popularity: Popularity,
}

impl Deck {
    /// A deck for the driver's `target` from prepared piles, one per kind. `popularity` is the law
    /// by which good credentials and logins are drawn; the other piles are drawn uniformly.
    ///
    /// # Errors
    /// When a kind of the mix has no exchanges, a pile stands twice, or the law is over another
    /// number of credentials than the wallet's.
    pub fn assemble(
        mix: Mix,
        target: u32,
        piles: Vec<(Kind, Vec<Exchange>)>,
        popularity: Popularity,
    ) -> anyhow::Result<Self> {
        mix.check()?;
        let mut deck = Self {
            mix,
            target,
            exchanges: Vec::new(),
            kinds: Vec::new(),
            piles: [Pile::default(); Kind::ALL.len()],
            popularity,
        };
        for (kind, exchanges) in piles {
            let pile = &mut deck.piles[kind as usize];
            ensure!(pile.len == 0, "the {} pile stands twice", kind.name());
            pile.first = u32::try_from(deck.exchanges.len()).context("too many exchanges")?;
            pile.len = u32::try_from(exchanges.len()).context("too many exchanges")?;
            deck.kinds.extend(exchanges.iter().map(|_| kind));
            deck.exchanges.extend(exchanges);
        }
        for kind in Kind::ALL {
            let (len, weight) = (deck.piles[kind as usize].len as usize, mix.weight(kind));
            ensure!(len > 0 || weight == 0, "the mix asks for {}: none prepared", kind.name());
            let by_law = matches!(kind, Kind::Valid | Kind::Login);
            ensure!(
                len == 0 || !by_law || len == deck.popularity.by_rank().len(),
                "{len} exchanges of {} for {} subjects",
                kind.name(),
                deck.popularity.by_rank().len()
            );
        }
        Ok(deck)
    }

    /// Every exchange, as [`Op::exchange`] counts them.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// The kind of each exchange.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The mix it was prepared for.
    #[must_use]
    pub const fn mix(&self) -> Mix {
        self.mix
    }

    /// Presents every credential of `GET /me` once: nothing is timed that was not just verified.
    ///
    /// # Errors
    /// When an answer is not the one that will be expected: whose, which, and what that means.
    pub fn verify(&self, driver: &mut Driver) -> anyhow::Result<()> {
        let ops: Vec<Op> = (0..)
            .zip(&self.kinds)
            .filter(|(_, kind)| kind.is_repeatable())
            .map(|(exchange, _)| Op { at_ns: 0, target: self.target, exchange })
            .collect();
        let executed = driver.execute(&ops, &self.exchanges, Mode::Closed, false)?;
        for (op, row) in ops.iter().zip(&executed.rows) {
            if row.outcome == Outcome::Expected {
                continue;
            }
            let kind = self.kinds[op.exchange as usize];
            let number = op.exchange - self.piles[kind as usize].first;
            let wanted = match &self.exchanges[op.exchange as usize].expect {
                Expect::Body(status, _) => format!("{status} and the body verified before"),
                Expect::Status(status) => status.to_string(),
                Expect::Any => "any answer".to_owned(),
            };
            bail!(
                "{} credential {number} was tried before the load and answered with status {} \
                 ({:?}); {wanted} was expected, so either the pile holds a credential that does \
                 not belong there or the strategy does not keep what it declares",
                kind.name(),
                row.status,
                row.outcome
            );
        }
        Ok(())
    }

    /// Deals one op for each of `times` (ascending, nanoseconds). A single-use exchange is dealt
    /// once in the deck's life.
    ///
    /// # Errors
    /// When the single-use ones run out; nothing is dealt then.
    pub fn draw(&mut self, times: &[u64], rng: &mut impl Rng) -> anyhow::Result<Vec<Op>> {
        let mut piles = self.piles;
        let ops = times
            .iter()
            .map(|&at_ns| {
                let kind = self.mix.draw(rng);
                let pile = &mut piles[kind as usize];
                let place = match kind {
                    Kind::Valid | Kind::Login => self.popularity.draw(rng),
                    Kind::Expired | Kind::Forged | Kind::Revoked => rng.random_range(0..pile.len),
                    Kind::Logout | Kind::Refresh => {
                        ensure!(
                            pile.dealt < pile.len,
                            "the schedule needs more than the {} {} exchanges that were prepared; \
                             each is used once, so prepare the deck for more requests",
                            pile.len,
                            kind.name()
                        );
                        pile.dealt += 1;
                        pile.dealt - 1
                    }
                };
                Ok(Op { at_ns, target: self.target, exchange: pile.first + place })
            })
            .collect::<anyhow::Result<Vec<Op>>>()?;
        self.piles = piles;
        Ok(ops)
    }

    /// The ledger of each kind that occurs in `ops`, in the kinds' order.
    #[must_use]
    pub fn by_kind(&self, rows: &[Row], ops: &[Op]) -> Vec<(Kind, Ledger)> {
        let mut sorted: [Vec<Row>; Kind::ALL.len()] = Default::default();
        for (row, op) in rows.iter().zip(ops) {
            sorted[self.kinds[op.exchange as usize] as usize].push(*row);
        }
        let occurring = Kind::ALL.into_iter().zip(sorted).filter(|(_, rows)| !rows.is_empty());
        occurring.map(|(kind, rows)| (kind, ledger(&rows))).collect()
    }

    /// What the server must have counted once every op was answered as expected.
    #[must_use]
    pub fn counts(&self, ops: &[Op]) -> Counts {
        let mut counts = Counts { requests: ops.len() as u64, ..Counts::default() };
        for op in ops {
            let accepted = match self.exchanges[op.exchange as usize].expect {
                Expect::Body(status, _) | Expect::Status(status) => status < 300,
                Expect::Any => true,
            };
            let counted: &mut [&mut u64] = match self.kinds[op.exchange as usize] {
                _ if !accepted => &mut [&mut counts.denied],
                Kind::Login => &mut [&mut counts.logins],
                Kind::Logout => &mut [&mut counts.admitted, &mut counts.revocations],
                Kind::Refresh => &mut [&mut counts.admitted, &mut counts.refreshes],
                _ => &mut [&mut counts.admitted],
            };
            counted.iter_mut().for_each(|count| **count += 1);
        }
        counts
    }
}

/// What a server counts of the requests of a schedule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Requests of any kind.
    pub requests: u64,
    /// Requests whose credential was accepted.
    pub admitted: u64,
    /// Requests turned away.
    pub denied: u64,
    /// Requests that could not be judged.
    pub outages: u64,
    /// Credentials handed out to logins.
    pub logins: u64,
    /// Credentials traded for fresh ones.
    pub refreshes: u64,
    /// Logouts acknowledged.
    pub revocations: u64,
}

impl Counts {
    /// What a server counted between two readings.
    #[must_use]
    pub fn between(before: &Counters, after: &Counters) -> Self {
        Self {
            requests: after.requests.saturating_sub(before.requests),
            admitted: after.admitted.saturating_sub(before.admitted),
            denied: after.denied_total().saturating_sub(before.denied_total()),
            outages: after.outages.saturating_sub(before.outages),
            logins: after.logins.saturating_sub(before.logins),
            refreshes: after.refreshes.saturating_sub(before.refreshes),
            revocations: after.revocations.saturating_sub(before.revocations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::stream;

    fn exchanges(n: usize, status: u16) -> Vec<Exchange> {
        let host = ([127, 0, 0, 1], 1).into();
        vec![Exchange::new("GET", host, "/me", "", "", Expect::Status(status)); n]
    }

    fn deck(logouts: usize) -> anyhow::Result<Deck> {
        let mix = Mix {
            valid: 500,
            expired: 0,
            forged: 200,
            revoked: 0,
            login: 200,
            logout: 100,
            ..Mix::default()
        };
        let piles = vec![
            (Kind::Valid, exchanges(8, 200)),
            (Kind::Forged, exchanges(3, 401)),
            (Kind::Login, exchanges(8, 200)),
            (Kind::Logout, exchanges(logouts, 200)),
        ];
        Deck::assemble(mix, 3, piles, Popularity::new(8, 0, 1, "test")?)
    }

    #[test]
    fn a_deck_deals_its_mix_and_each_logout_once() {
        let mut deck = deck(200).unwrap();
        let times: Vec<u64> = (0..1_000).collect();
        let ops = deck.draw(&times, &mut stream(1, "deck", 0)).unwrap();
        assert_eq!(ops.iter().map(|op| op.at_ns).collect::<Vec<_>>(), times);
        assert!(ops.iter().all(|op| op.target == 3));
        let logouts: Vec<u32> = ops
            .iter()
            .map(|op| op.exchange)
            .filter(|i| deck.kinds()[*i as usize] == Kind::Logout)
            .collect();
        assert!(logouts.len() > 60, "{}", logouts.len());
        assert!(logouts.windows(2).all(|w| w[0] < w[1]), "dealt in order, none twice");
        let counts = deck.counts(&ops);
        assert_eq!(counts.requests, 1_000);
        assert_eq!(counts.admitted + counts.denied + counts.logins, 1_000);
        assert_eq!(counts.revocations, logouts.len() as u64);
        let rows = vec![Row { outcome: Outcome::Expected, ..Row::NEVER_SENT }; 1_000];
        let by_kind = deck.by_kind(&rows, &ops);
        let names: Vec<&str> = by_kind.iter().map(|(kind, _)| kind.name()).collect();
        assert_eq!(names, ["valid", "forged", "login", "logout"]);
        assert_eq!(by_kind.iter().map(|(_, l)| l.scheduled).sum::<u64>(), 1_000);
        assert_eq!(by_kind[1].1.expected, counts.denied);
    }

    #[test]
    fn logouts_that_run_out_are_an_error_before_the_load() {
        let mut deck = deck(20).unwrap();
        let mut rng = stream(1, "deck", 0);
        let many: Vec<u64> = (0..1_000).collect();
        let said = deck.draw(&many, &mut rng).unwrap_err().to_string();
        assert!(said.contains("more than the 20 logout exchanges"), "{said}");
        // Nothing was dealt: a schedule that fits still does.
        assert_eq!(deck.draw(&many[..20], &mut rng).unwrap().len(), 20);
    }

    #[test]
    fn a_mix_that_was_not_prepared_is_refused() {
        assert!(deck(0).unwrap_err().to_string().contains("logout"));
        let mix = Mix { valid: 1_000, expired: 0, forged: 0, revoked: 0, ..Mix::default() };
        let law = || Popularity::new(4, 0, 1, "test").unwrap();
        let of = |n| vec![(Kind::Valid, exchanges(n, 200))];
        assert!(Deck::assemble(mix, 0, of(4), law()).is_ok());
        assert!(Deck::assemble(mix, 0, of(5), law()).is_err());
        let twice = [of(4), of(4)].concat();
        assert!(Deck::assemble(mix, 0, twice, law()).is_err());
    }
}
