//! The records that are looked up, and what they are filed under.

use authbench::identity::{Principal, SubjectId, UnixTime};
use authbench::settings::Settings;
use authbench::store::{SessionKey, SessionRecord};

use crate::bed::CREDENTIALS;

/// A size of record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// Its level in a name.
    pub(super) name: &'static str,
    bytes: Option<usize>,
}

impl Record {
    /// What the strategies keep of a session, as they write it.
    pub(super) const TYPICAL: Self = Self { name: "typical", bytes: None };
    /// Sessions that remember less or more.
    pub(super) const SIZES: [Self; 3] = [
        Self { name: "100B", bytes: Some(100) },
        Self { name: "1KB", bytes: Some(1_024) },
        Self { name: "4KB", bytes: Some(4_096) },
    ];

    /// Record `n`: no two are alike.
    ///
    /// # Errors
    /// None in practice; whatever the serializer says.
    pub(super) fn make(self, n: u64, now: UnixTime) -> anyhow::Result<Vec<u8>> {
        let Some(bytes) = self.bytes else { return Ok(typical(n, now).to_json()?) };
        Ok(format!("{n:010}").bytes().cycle().take(bytes).collect())
    }

    /// Every record.
    ///
    /// # Errors
    /// As [`Record::make`].
    pub(super) fn all(self, now: UnixTime) -> anyhow::Result<Vec<Vec<u8>>> {
        (0..CREDENTIALS).map(|n| self.make(n, now)).collect()
    }
}

/// The record of subject `n`, who logs in now, as `session-*` strategies make it.
pub(super) fn typical(n: u64, now: UnixTime) -> SessionRecord {
    let settings = Settings::default();
    let who = Principal::of_test_subject(SubjectId(n), now);
    SessionRecord::at_login(
        who,
        now.plus(settings.session_idle_s),
        now.plus(settings.session_absolute_s),
    )
}

/// The fields of a record of the typical size, each as text: what a Redis hash would keep.
pub(super) fn fields(n: u64, now: UnixTime) -> Vec<(String, String)> {
    let record = typical(n, now);
    let each = [
        ("sub", record.subject.to_string()),
        ("tenant", record.tenant.to_string()),
        ("scope", record.scopes.to_string()),
        ("auth_time", record.auth_time.0.to_string()),
        ("iat", record.created.0.to_string()),
        ("idle_until", record.idle_until.0.to_string()),
        ("ends_at", record.ends_at.0.to_string()),
    ];
    each.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// An id as long as a session's, for subject `n`.
pub(super) fn id(n: u64) -> String {
    format!("{n:043}")
}

/// What that id is filed under.
pub(super) fn key(n: u64) -> SessionKey {
    SessionKey::of(&id(n))
}
