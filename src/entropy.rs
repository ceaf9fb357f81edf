//! Where unguessable bytes come from: injected, so that the library has no randomness of its own.

use std::fmt::Debug;

use crate::error::Outage;

/// A source of bytes for session ids and `jti`s.
///
/// Asymmetric signing draws its nonces from its crypto library, not from here.
pub trait Entropy: Send + Sync + Debug + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// When the source is exhausted or absent: nothing may be issued then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Outage>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Outage> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| Outage::new("the random generator failed"))
    }
}

/// `N` fresh bytes.
///
/// # Errors
/// As [`Entropy::fill`].
pub fn fresh<const N: usize>(source: &dyn Entropy) -> Result<[u8; N], Outage> {
    let mut bytes = [0; N];
    source.fill(&mut bytes)?;
    Ok(bytes)
}
