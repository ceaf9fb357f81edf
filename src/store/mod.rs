//! Where stateful strategies keep what they remember: one trait for sessions, many places.

pub mod cached;
pub mod deny;
pub mod memory;
pub mod postgres;
pub mod redis;
pub mod sqlite;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{BuildError, Outage};
use crate::identity::{Principal, Scopes, SubjectId, TenantId, UnixTime};
use crate::strategy::contract::{
    Deps, Faults, RedisCommands, Remembers, Renewal, Revocation, Scope, StoreKind,
};
use crate::strategy::law::LagLaw;

/// What a session is filed under: SHA-256 of its id. Whoever reads the store learns no id, and the
/// time a lookup takes tells nothing about one. Ids carry 256 random bits, so no salt is needed.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key of the session `id`, as the client writes it.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The hash itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// What a session remembers: the fields a token carries in its claims, under the same names, and
/// two deadlines. Stored as JSON wherever it leaves the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Whose session it is.
    #[serde(rename = "sub", serialize_with = "as_text", deserialize_with = "from_text")]
    pub subject: SubjectId,
    /// The user's customer.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub tenant: TenantId,
    /// What the user may do.
    #[serde(rename = "scope", serialize_with = "as_text", deserialize_with = "from_text")]
    pub scopes: Scopes,
    /// When the user proved who they are.
    pub auth_time: UnixTime,
    /// When the session was created.
    #[serde(rename = "iat")]
    pub created: UnixTime,
    /// From this second on it has been idle for too long, unless it is used before.
    pub idle_until: UnixTime,
    /// From this second on it has ended, however busy.
    pub ends_at: UnixTime,
}

impl SessionRecord {
    /// The record of `who`, whose session begins with the login.
    #[must_use]
    pub const fn at_login(who: Principal, idle_until: UnixTime, ends_at: UnixTime) -> Self {
        Self {
            subject: who.subject,
            tenant: who.tenant,
            scopes: who.scopes,
            auth_time: who.auth_time,
            created: who.auth_time,
            idle_until,
            ends_at,
        }
    }

    /// Who a request in this session is.
    #[must_use]
    pub const fn principal(&self) -> Principal {
        Principal {
            subject: self.subject,
            tenant: self.tenant,
            scopes: self.scopes,
            auth_time: self.auth_time,
        }
    }

    /// From this second on it is refused, if it is not used before: the earlier deadline.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.idle_until.min(self.ends_at)
    }

    /// The stored form.
    ///
    /// # Errors
    /// None in practice; whatever the serializer says.
    pub fn to_json(&self) -> Result<Vec<u8>, Outage> {
        serde_json::to_vec(self).map_err(Outage::new)
    }

    /// Reads the stored form, without allocating.
    ///
    /// # Errors
    /// Anything but a record as [`SessionRecord::to_json`] writes it. A store that holds such a
    /// thing is not to be believed, so this is an outage and not a denial.
    pub fn from_json(json: &[u8]) -> Result<Self, Outage> {
        // serde reads a struct from an array as well.
        if json.first() != Some(&b'{') {
            return Err(Outage::new("the store holds something that is not a session record"));
        }
        let json = std::str::from_utf8(json).map_err(Outage::new)?;
        serde_json::from_str(json).map_err(Outage::new)
    }
}

pub(crate) fn as_text<T: fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn from_text<'de, T: FromStr, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(std::marker::PhantomData<T>);
    impl<T: FromStr> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an identity in its one accepted spelling")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|_| E::custom("not an identity"))
        }
    }
    deserializer.deserialize_str(Text(std::marker::PhantomData)).map_err(D::Error::custom)
}

/// A place that keeps sessions. It files and forgets; [`crate::strategy`] decides what is valid.
///
/// Every method that changes something is atomic: logout everywhere and a login at the same time
/// leave a session that is indexed and alive, or none.
pub trait SessionStore: Send + Sync + Sized + fmt::Debug + 'static {
    /// How far the store reaches.
    const SCOPE: Scope;
    /// The store outside the process, where it is one.
    const KIND: Option<StoreKind>;
    /// When a logout, of one session or of all, has taken effect on every node.
    const REVOKE: Revocation;
    /// The law that a logout's lag follows, where it is not the one that `REVOKE` implies.
    const LAG_LAW: Option<LagLaw> = None;
    /// What becomes of sessions when it fails.
    const FAULTS: Faults;
    /// What one [`SessionStore::load`] asks of Redis.
    const REDIS: RedisCommands;
    /// How a use prolongs a session. Declared where it is not by a [`SessionStore::touch`].
    const RENEWAL: Renewal = Renewal::Sliding;
    /// What a node remembers of sessions that it has loaded.
    const REMEMBERS: Remembers = Remembers::Nothing;

    /// Opens the store.
    ///
    /// # Errors
    /// The store is not configured or not reachable.
    fn open(deps: &Deps) -> impl Future<Output = Result<Self, BuildError>> + Send;

    /// Files `record` under `key` unless the key is taken: whether it did. Never overwrites.
    ///
    /// # Errors
    /// The store did not answer; the session may or may not exist.
    fn create(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> impl Future<Output = Result<bool, Outage>> + Send;

    /// The record under `key`, expired or not; a store may forget expired ones.
    ///
    /// # Errors
    /// The store did not answer, or holds something unreadable there.
    fn load(
        &self,
        key: &SessionKey,
    ) -> impl Future<Output = Result<Option<SessionRecord>, Outage>> + Send;

    /// Replaces the record under `key` if there is one: whether there was. Never resurrects.
    ///
    /// # Errors
    /// The store did not answer.
    fn touch(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        now: UnixTime,
    ) -> impl Future<Output = Result<bool, Outage>> + Send;

    /// Forgets the session of `subject` under `key`.
    ///
    /// # Errors
    /// The store did not answer; the session may live on.
    fn delete(
        &self,
        key: &SessionKey,
        subject: SubjectId,
    ) -> impl Future<Output = Result<(), Outage>> + Send;

    /// Forgets every session of `subject` created so far.
    ///
    /// # Errors
    /// The store did not answer; the sessions may live on.
    fn delete_all(&self, subject: SubjectId) -> impl Future<Output = Result<(), Outage>> + Send;

    /// How many sessions of `subject` are alive at `now`. One that was not used for too long may
    /// still be counted, until the store notices.
    ///
    /// # Errors
    /// The store did not answer.
    fn count(
        &self,
        subject: SubjectId,
        now: UnixTime,
    ) -> impl Future<Output = Result<u64, Outage>> + Send;

    /// Drops what has expired by `now`, where the store does not do so by itself.
    fn sweep(&self, now: UnixTime);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SessionRecord {
        let now = UnixTime(1_700_000_000);
        let who = Principal::of_test_subject(SubjectId(0x4d2), now);
        SessionRecord::at_login(who, now.plus(1_800), now.plus(43_200))
    }

    #[test]
    fn a_record_survives_the_store() {
        let json = record().to_json().expect("serializes");
        assert_eq!(SessionRecord::from_json(&json).expect("parses"), record());
        let text = String::from_utf8(json).expect("JSON is UTF-8");
        assert!(text.contains(r#""sub":"u-00000000000004d2""#), "{text}");
    }

    #[test]
    fn nothing_else_is_taken_for_a_record() {
        let good = String::from_utf8(record().to_json().expect("serializes")).expect("UTF-8");
        let array = r#"["u-00000000000004d2","t-000000ed","profile",1,1,9,9]"#;
        let wrong_type = good.replace("\"u-00000000000004d2\"", "7");
        let negative = good.replace("1700043200", "-1");
        let cut = &good[..good.len() - 1];
        for bad in ["", "null", "{}", array, cut, &wrong_type, &negative] {
            assert!(SessionRecord::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(SessionRecord::from_json(&[b'{', 0xff, b'}']).is_err());
    }

    #[test]
    fn the_key_is_the_hash_of_the_text() {
        let abc = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
        assert_eq!(&SessionKey::of("abc").as_bytes()[..8], &abc, "FIPS 180-4 example");
        assert_ne!(SessionKey::of("abc"), SessionKey::of("abC"));
    }
}
