//! One strategy and what its requests share; the extractor that says who a request is.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authbench::credential::Carrier;
use authbench::error::{AuthError, Denial};
use authbench::identity::{Principal, UnixTime};
use authbench::store::redis::RedisHandle;
use authbench::strategy::contract::{AuthStrategy, Uses};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::carrier;
use super::counters::Tally;
use super::reply::Refusal;

/// What every request of one server shares.
#[derive(Debug)]
pub(super) struct App<S> {
    pub(super) strategy: S,
    pub(super) carrier: Carrier,
    pub(super) tally: Arc<Tally>,
    pub(super) spin_ns: u64,
    /// Memory that each `GET /me` works on, KiB.
    pub(super) work_kib: u32,
    /// The store that each `GET /me` pings beyond its work.
    pub(super) pinged: Option<RedisHandle>,
    /// How far its time of day is ahead of the system's, seconds.
    pub(super) clock_offset_s: i64,
}

impl<S: AuthStrategy> App<S> {
    /// The time of day, read once per request: the strategies read none.
    pub(super) fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let system_s = since.map_or(0, |elapsed| elapsed.as_secs());
        UnixTime(system_s.saturating_add_signed(self.clock_offset_s))
    }

    /// Counts a refusal and yields what the client may see of it.
    pub(super) fn refuse(&self, why: &AuthError) -> Refusal {
        self.tally.refused(why);
        Refusal::of(why, self.carrier)
    }
}

/// An admitted request's principal. A handler that takes it cannot be reached without one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authenticated {
    pub(super) principal: Principal,
    pub(super) now: UnixTime,
}

impl<S: AuthStrategy> FromRequestParts<Arc<App<S>>> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App<S>>,
    ) -> Result<Self, Self::Rejection> {
        app.tally.requests.add_one();
        let now = app.now();
        // A safe method changes nothing (RFC 9110 section 9.2.1), and mail scanners follow links:
        // there, a credential that would be used up is not looked at.
        let presented = match S::PROPERTIES.uses {
            Uses::Once if parts.method.is_safe() => Err(Denial::Missing),
            Uses::Once | Uses::Many => carrier::credential(app.carrier, &parts.headers),
        };
        let judged = match presented {
            Ok(credential) => app.strategy.authenticate(credential, now).await,
            Err(denial) => Err(denial.into()),
        };
        match judged {
            Ok(principal) => {
                app.tally.admitted.add_one();
                Ok(Self { principal, now })
            }
            Err(why) => Err(app.refuse(&why)),
        }
    }
}
