//! Credentials that outlive a block.

use std::collections::HashMap;
use std::time::Instant;

use authbench::identity::SubjectId;

/// Verified credentials that outlive a block, with the body that each must be answered with.
#[derive(Debug)]
pub struct Purse {
    pub(super) subjects: Vec<SubjectId>,
    pub(super) credentials: Vec<String>,
    pub(super) bodies: Vec<Box<[u8]>>,
    pub(super) filled: Instant,
    /// Bytes of a login's answer and of a `/me` answer.
    pub sample_bytes: (u64, u64),
}

/// Purses by arm.
pub type Purses = HashMap<String, Purse>;

impl Purse {
    /// The first credential: all of an arm's are of one size.
    #[must_use]
    pub fn sample_credential(&self) -> &str {
        self.credentials.first().map_or("", String::as_str)
    }

    /// Whose credentials these are.
    #[must_use]
    pub fn subjects(&self) -> &[SubjectId] {
        &self.subjects
    }
}
