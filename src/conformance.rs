//! The behaviour every strategy must show, as a suite that any crate can run.
//!
//! Each behaviour is a function, generic over the strategy, that says what went wrong or that it
//! held. It is held to what the strategy *declares*: a promise that is kept badly fails, and so
//! does a weakness that is declared and not there. Every refusal is paired with a control that is
//! admitted, because a check that refuses everything proves nothing.
//!
//! Deliberately absent: a clock, randomness, processes. The [`World`] brings them.

mod claims;
mod contents;
mod faults;
mod forge;
mod header;
mod keys;
mod lifetime;
mod login;
mod once;
mod renewal;
mod revocation;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ManualClock;
use crate::error::{AuthError, Denial};
use crate::identity::{Principal, SubjectId, UnixTime};
use crate::strategy::StrategyKind;
use crate::strategy::contract::{AuthStrategy, Deps, Revocation, Uses, Visitor};

/// A hand on the server behind [`Deps::redis`] or [`Deps::postgres_url`], which is this suite's
/// alone.
pub trait StoreServer: fmt::Debug + Send + Sync {
    /// Stops it from answering, without closing its connections.
    fn freeze(&self);
    /// Lets it answer again.
    fn thaw(&self);
    /// Ends it for good.
    fn kill(&self);
}

/// What one check is run with. Fresh for each: checks empty and kill the store.
#[derive(Debug)]
pub struct World {
    /// What strategies are built from, two live keys for each algorithm among it.
    pub deps: Deps,
    /// The time of the logins. Within a minute of the system's: `jsonwebtoken` reads its clock.
    pub now: UnixTime,
    /// The clock of [`Deps::clock`]: time passes in it when a check says so.
    pub clock: Arc<ManualClock>,
    /// The store's server, when it may be searched, emptied and killed. A SQLite file has none, and
    /// may be searched and emptied always.
    pub server: Option<Box<dyn StoreServer>>,
}

/// How long a check waits, in earnest, for what it let become due: a message on its way, a poll
/// that is asking the store.
const DELIVERY_LIMIT: Duration = Duration::from_secs(3);
/// How often it looks.
const DELIVERY_POLL: Duration = Duration::from_millis(2);

impl World {
    /// Lets a revocation acknowledged at [`World::now`] become due, and says since when it is;
    /// `None` for one that never is.
    fn take_effect(&self, promise: Revocation) -> Option<UnixTime> {
        if let Revocation::Within(bound) = promise {
            self.clock.advance(bound);
        }
        revocation::effective(promise, self.now)
    }
}

/// How a behaviour was met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// It was shown.
    Shown,
    /// It says nothing about a strategy of this kind, and why.
    NotApplicable(&'static str),
    /// It could not be tried here, and why.
    Skipped(&'static str),
}

/// Whether a behaviour was met, or what the strategy did instead.
pub type Verdict = Result<Held, String>;

/// Fails the behaviour with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// Hands the table of behaviours to the macro `$apply`, one row `module name;` each.
#[macro_export]
macro_rules! for_each_behaviour {
    ($apply:ident) => {
        $apply! {
            login a_login_is_recognised;
            login every_login_has_a_credential_of_its_own;
            login malformed_credentials_are_denied;
            login tampering_is_refused;
            login no_entropy_no_login;
            login a_repeated_id_overwrites_nobody;
            lifetime expiry_is_a_threshold;
            lifetime leeway_is_a_threshold;
            lifetime an_unused_session_ends;
            lifetime a_busy_session_ends_too;
            claims missing_claims_are_refused;
            claims mistyped_claims_are_refused;
            claims repeated_claims_are_refused;
            claims another_audience_is_refused;
            claims another_issuer_is_refused;
            claims a_long_lifetime_is_refused;
            claims a_token_from_the_future_is_refused;
            claims another_version_is_refused;
            header algorithm_none_is_refused;
            header another_type_is_refused;
            header critical_extensions_are_refused;
            header an_unknown_key_is_refused;
            keys another_algorithm_is_refused;
            keys a_public_key_is_no_secret;
            keys keys_in_the_header_are_ignored;
            keys keys_rotate;
            keys a_short_secret_is_refused;
            revocation revocation_keeps_its_promise;
            revocation revocation_takes_back_what_it_says;
            revocation logout_everywhere_keeps_its_promise;
            revocation only_a_good_credential_revokes;
            revocation the_revoked_stays_revoked;
            revocation a_rewritten_token_stays_revoked;
            revocation logout_wins_over_use;
            revocation the_living_are_counted;
            renewal a_renewal_rotates;
            renewal a_used_refresh_token_ends_its_family;
            renewal fifty_renewals_at_once_have_one_child;
            renewal a_grace_yields_the_same_child;
            renewal a_family_ends;
            renewal a_logout_ends_renewal;
            renewal nothing_else_renews;
            renewal no_store_no_renewal;
            renewal the_store_holds_no_refresh_token;
            once a_link_is_used_up;
            once fifty_uses_at_once_are_one;
            once a_use_ends_what_a_logout_would;
            once another_purpose_is_refused;
            state the_store_holds_no_credential;
            state an_admission_costs_what_is_declared;
            state a_corrupt_store_admits_nobody;
            faults a_store_that_is_down_is_as_declared;
            faults a_store_that_lost_its_state_is_as_declared;
            faults a_restart_is_as_declared;
        }
    };
}

macro_rules! define_behaviours {
    ($($module:ident $name:ident;)+) => {
        /// A behaviour of the suite, named as a test is.
        #[expect(non_camel_case_types, reason = "each is named after the function that checks it")]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Behaviour {
            $(#[doc = stringify!($name)] $name,)+
        }

        impl Behaviour {
            /// Every behaviour.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The behaviour's name, which is also the test's.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Checks it on `S`.
            ///
            /// # Errors
            /// What the strategy did instead.
            pub async fn check<S: AuthStrategy>(self, world: &World) -> Verdict {
                match self { $(Self::$name => Box::pin($module::$name::<S>(world)).await,)+ }
            }
        }
    };
}
for_each_behaviour!(define_behaviours);

/// Checks one behaviour on a registered strategy.
///
/// # Errors
/// What the strategy did instead.
pub async fn check(kind: StrategyKind, behaviour: Behaviour, world: World) -> Verdict {
    struct Check(Behaviour, World);
    impl Visitor for Check {
        type Output = Verdict;

        async fn visit<S: AuthStrategy>(self, _kind: StrategyKind) -> Verdict {
            self.0.check::<S>(&self.1).await
        }
    }
    kind.visit(Check(behaviour, world)).await
}

/// The subject most checks log in.
const ALICE: SubjectId = SubjectId(0xa11ce);
/// A bystander.
const BOB: SubjectId = SubjectId(0xb0b);

/// An instance of the strategy.
async fn build<S: AuthStrategy>(deps: &Deps) -> Result<S, String> {
    S::build(deps).await.map_err(|e| format!("it could not be built: {e}"))
}

/// A fresh credential of `subject`.
async fn log_in<S: AuthStrategy>(
    strategy: &S,
    subject: SubjectId,
    now: UnixTime,
) -> Result<String, String> {
    let grant = strategy.issue(subject, now).await.map_err(|e| format!("no login: {e}"))?;
    Ok(grant.access.expose().to_owned())
}

/// As [`log_in`] where a credential is good once; otherwise `last` again. What is asked twice is
/// asked of two such credentials then.
async fn another<S: AuthStrategy>(
    strategy: &S,
    last: &str,
    subject: SubjectId,
    now: UnixTime,
) -> Result<String, String> {
    match S::PROPERTIES.uses {
        Uses::Many => Ok(last.to_owned()),
        Uses::Once => log_in(strategy, subject, now).await,
    }
}

/// What became of a request.
#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Admitted(Principal),
    Denied(Denial),
    Unavailable,
}

async fn ask<S: AuthStrategy>(strategy: &S, text: &str, now: UnixTime) -> Outcome {
    match strategy.authenticate(crate::credential::Credential::new(text), now).await {
        Ok(principal) => Outcome::Admitted(principal),
        Err(AuthError::Denied(denial)) => Outcome::Denied(denial),
        Err(AuthError::Unavailable(_)) => Outcome::Unavailable,
    }
}

/// Demands that `text`, which is `what`, is admitted as `subject`.
async fn admitted<S: AuthStrategy>(
    what: &str,
    strategy: &S,
    text: &str,
    subject: SubjectId,
    now: UnixTime,
) -> Result<(), String> {
    match ask(strategy, text, now).await {
        Outcome::Admitted(who) if who.subject == subject => Ok(()),
        other => Err(format!("{what}: expected {subject} to be admitted, got {other:?}")),
    }
}

/// As [`ask`], of a credential whose revocation is due. What is promised `within` a time reaches a
/// node by a message, so one that is still admitted is asked again for a moment.
async fn ask_when_due<S: AuthStrategy>(strategy: &S, text: &str, now: UnixTime) -> Outcome {
    let mut got = ask(strategy, text, now).await;
    if !matches!(S::PROPERTIES.revoke, Revocation::Within(_)) {
        return got;
    }
    let mut left = DELIVERY_LIMIT;
    while matches!(got, Outcome::Admitted(_)) && left > Duration::ZERO {
        tokio::time::sleep(DELIVERY_POLL).await;
        left = left.saturating_sub(DELIVERY_POLL);
        got = ask(strategy, text, now).await;
    }
    got
}

/// Demands that `text`, which is `what`, is turned away for one of `reasons`; for any when there
/// are none. An outage is no refusal.
async fn refused<S: AuthStrategy>(
    what: &str,
    strategy: &S,
    text: &str,
    now: UnixTime,
    reasons: &[Denial],
) -> Result<(), String> {
    match ask_when_due(strategy, text, now).await {
        Outcome::Denied(why) if reasons.is_empty() || reasons.contains(&why) => Ok(()),
        other => Err(format!("{what}: expected a refusal {reasons:?}, got {other:?}")),
    }
}
