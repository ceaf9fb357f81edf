//! THE REGISTRY: one row per strategy, in report order. Everything else iterates it.

pub mod contract;
pub mod faults;

mod cookie_sealed;
mod derived;
mod jwt;
mod jwt_denylist;
mod jwt_version;
pub mod law;
mod link_bound;
mod link_jwt;
mod link_redis;
mod none;
mod refresh_rotation;
mod session;
mod session_edge_jwt;

use std::fmt;
use std::str::FromStr;

use contract::{AuthStrategy, Properties, Visitor};

// What the rows are made of. Only this module expands a row's type.
use crate::store::cached::Cached;
use crate::store::memory::MemorySessions;
use crate::store::postgres::PostgresSessions;
use crate::store::redis::denied::{DeniedKeys, FailClosed, FailOpen, Sentinel};
use crate::store::redis::feed::Pushed;
use crate::store::redis::feed::barrier::Barrier;
use crate::store::redis::feed::lease::Leased;
use crate::store::redis::filter::Filter;
use crate::store::redis::polled::{PolledList, Polling};
use crate::store::redis::sessions::RedisSessions;
use crate::store::redis::sliding::SlidingRedisSessions;
use crate::store::redis::tracked::TrackedSessions;
use crate::store::sqlite::SqliteSessions;
use crate::token::algorithm::{EdDsa, Es256, Hs256, Rs256};
use crate::token::library::Library;
use crate::token::prepared::{AwsLc, Prepared};
use crate::token::verified_cache::VerifiedCache;

/// Hands the table of strategies to the macro `$apply`, one row
/// `Kind "name" "one line of description" Type;` each.
#[macro_export]
macro_rules! for_each_strategy {
    ($apply:ident) => {
        $apply! {
            None "none" "admits a parsed subject id: the floor, everything but authentication"
                none::NoAuthentication;
            SessionMemory "session-memory" "random id, record in this process"
                session::Session<MemorySessions>;
            SessionSqlite "session-sqlite" "random id, record in a SQLite file"
                session::Session<SqliteSessions>;
            SessionPostgres "session-postgres" "random id, record in PostgreSQL"
                session::Session<PostgresSessions>;
            SessionRedis "session-redis" "random id, record in Redis"
                session::Session<RedisSessions>;
            SessionRedisSliding "session-redis-sliding"
                "session-redis, prolonged by use once in a tenth of the idle time-out"
                session::Session<RedisSessions, 10>;
            SessionRedisSlidingNaive "session-redis-sliding-naive"
                "session-redis, prolonged by every use: each read is a write"
                session::Session<SlidingRedisSessions>;
            SessionRedisL1 "session-redis-l1" "the session-redis record, believed for a second"
                session::Session<Cached<RedisSessions>>;
            SessionRedisTracked "session-redis-tracked"
                "the session-redis record, believed until Redis says that it changed"
                session::Session<TrackedSessions>;
            JwtHs256 "jwt-hs256" "HMAC-SHA-256 token through jsonwebtoken; good until it expires"
                jwt::Jwt<Library<Hs256>>;
            JwtEdDsa "jwt-eddsa" "Ed25519 token through jsonwebtoken; good until it expires"
                jwt::Jwt<Library<EdDsa>>;
            JwtEs256 "jwt-es256" "ECDSA P-256 token through jsonwebtoken; good until it expires"
                jwt::Jwt<Library<Es256>>;
            JwtRs256 "jwt-rs256" "RSA-2048 token through jsonwebtoken; good until it expires"
                jwt::Jwt<Library<Rs256>>;
            JwtHs256Prepared "jwt-hs256-prepared" "the jwt-hs256 token, keys prepared once"
                jwt::Jwt<Prepared<AwsLc<Hs256>>>;
            CookieSealed "cookie-sealed" "principal sealed by AES-256-GCM; good until it expires"
                cookie_sealed::CookieSealed;
            JwtVerifiedCache "jwt-verified-cache" "the jwt-es256 token, its signature checked once"
                jwt::Jwt<VerifiedCache<Library<Es256>>>;
            JwtDenylist "jwt-denylist" "HMAC-SHA-256 token, and those taken back listed in Redis"
                jwt_denylist::JwtDenylist<Library<Hs256>, DeniedKeys<FailClosed>>;
            JwtDenylistOpen "jwt-denylist-open" "the jwt-denylist; admits while Redis is silent"
                jwt_denylist::JwtDenylist<Library<Hs256>, DeniedKeys<FailOpen>>;
            JwtDenylistSentinel "jwt-denylist-sentinel" "the jwt-denylist; notices its loss"
                jwt_denylist::JwtDenylist<Library<Hs256>, Sentinel>;
            JwtDenylistPushed "jwt-denylist-pushed" "token, and a list that is pushed to every node"
                jwt_denylist::JwtDenylist<Library<Hs256>, Pushed>;
            JwtDenylistLeased "jwt-denylist-leased" "the same; a node that hears nothing asks"
                jwt_denylist::JwtDenylist<Library<Hs256>, Leased>;
            JwtDenylistBarrier "jwt-denylist-barrier" "the same; logout waits for every node"
                jwt_denylist::JwtDenylist<Library<Hs256>, Barrier>;
            JwtDenylistPolled "jwt-denylist-polled" "token, and a list that every node polls"
                jwt_denylist::JwtDenylist<Library<Hs256>, Polling<PolledList>>;
            JwtDenylistFilter "jwt-denylist-filter" "token, and a Bloom filter that nodes poll"
                jwt_denylist::JwtDenylist<Library<Hs256>, Polling<Filter>>;
            JwtVersion "jwt-version" "HMAC-SHA-256 token, and each subject's version in Redis"
                jwt_version::JwtVersion<Library<Hs256>>;
            RefreshRotation "refresh-rotation"
                "five-minute HMAC-SHA-256 token, and a refresh token that is good once"
                refresh_rotation::RefreshRotation<Library<Hs256>>;
            SessionEdgeJwt "session-edge-jwt"
                "the session-redis id at the edge, a short HMAC-SHA-256 token behind it"
                session_edge_jwt::SessionEdgeJwt<RedisSessions, Prepared<AwsLc<Hs256>>>;
            LinkRedis "link-redis" "one-time link: random id, record in Redis"
                link_redis::LinkRedis;
            LinkBound "link-bound" "one-time link: MAC over the account's state, kept in Redis"
                link_bound::LinkBound;
            LinkJwt "link-jwt" "link that is a token without state: good until it expires"
                link_jwt::LinkJwt<Library<Hs256>>;
        }
    };
}

macro_rules! define_registry {
    ($($kind:ident $name:literal $about:literal $strategy:ty;)+) => {
        /// A registered strategy, by name.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum StrategyKind {
            $(#[doc = $about] $kind,)+
        }

        impl StrategyKind {
            /// Every strategy, in report order.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The kebab-case id: the same string in plans, records, charts and prose.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// What it is, in one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)+ }
            }

            /// What it declares of itself.
            #[must_use]
            pub const fn properties(self) -> Properties {
                match self { $(Self::$kind => <$strategy as AuthStrategy>::PROPERTIES,)+ }
            }

            /// The law its lag should follow.
            #[must_use]
            pub const fn lag_law(self) -> law::LagLaw {
                match self { $(Self::$kind => <$strategy as AuthStrategy>::LAG_LAW,)+ }
            }

            /// Lets `visitor` meet the concrete type: the single dynamic point.
            pub async fn visit<V: Visitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$kind => visitor.visit::<$strategy>(self).await,)+ }
            }
        }
    };
}
for_each_strategy!(define_registry);

/// A name that no row of the registry has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownStrategy(String);

impl fmt::Display for UnknownStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown strategy `{}`; the registered ones are", self.0)?;
        for (i, kind) in StrategyKind::ALL.iter().enumerate() {
            write!(f, "{} {}", if i == 0 { "" } else { "," }, kind.name())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownStrategy {}

impl FromStr for StrategyKind {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        found.copied().ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}
