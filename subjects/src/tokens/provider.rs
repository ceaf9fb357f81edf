//! A crypto provider for `jsonwebtoken` that hands each call to the backend that was chosen last:
//! the library takes one provider a process, and here three are compared in one.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils, aws_lc, rust_crypto};
use jsonwebtoken::errors::Result;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::ring_key;

/// A crypto library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// aws-lc-rs, which the registered strategies use.
    AwsLc,
    /// ring.
    Ring,
    /// The crates of the RustCrypto project.
    RustCrypto,
}

impl Backend {
    /// Every backend.
    pub const ALL: [Self; 3] = [Self::AwsLc, Self::Ring, Self::RustCrypto];

    const fn of(place: u8) -> Self {
        match place {
            1 => Self::Ring,
            2 => Self::RustCrypto,
            _ => Self::AwsLc,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwsLc => "aws-lc-rs",
            Self::Ring => "ring",
            Self::RustCrypto => "rust_crypto",
        })
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

thread_local! {
    /// Signers and verifiers handed out on this thread, by backend: the proof of which one worked.
    static CALLS: Cell<[u64; 3]> = const { Cell::new([0; 3]) };
}

static SWITCH: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the switch the provider of this process. It must come before anything else that uses
/// `jsonwebtoken`, which installs one of its own.
///
/// # Errors
/// Another provider is installed already.
pub fn install() -> std::result::Result<(), anyhow::Error> {
    use std::sync::OnceLock;
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed = *INSTALLED.get_or_init(|| SWITCH.install_default().is_ok());
    anyhow::ensure!(installed, "jsonwebtoken was given another crypto provider before ours");
    Ok(())
}

/// Chooses the backend of this process.
pub fn choose(backend: Backend) {
    CHOSEN.store(backend as u8, Ordering::Relaxed);
}

/// Calls that `backend` has answered on this thread.
#[must_use]
pub fn calls(backend: Backend) -> u64 {
    CALLS.get()[backend as usize]
}

fn counted() -> Backend {
    let backend = Backend::of(CHOSEN.load(Ordering::Relaxed));
    let mut calls = CALLS.get();
    calls[backend as usize] += 1;
    CALLS.set(calls);
    backend
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match counted() {
        Backend::AwsLc => (aws_lc::DEFAULT_PROVIDER.signer_factory)(algorithm, key),
        Backend::Ring => ring_key::signer(algorithm, key),
        Backend::RustCrypto => (rust_crypto::DEFAULT_PROVIDER.signer_factory)(algorithm, key),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match counted() {
        Backend::AwsLc => (aws_lc::DEFAULT_PROVIDER.verifier_factory)(algorithm, key),
        Backend::Ring => ring_key::verifier(algorithm, key),
        Backend::RustCrypto => (rust_crypto::DEFAULT_PROVIDER.verifier_factory)(algorithm, key),
    }
}
