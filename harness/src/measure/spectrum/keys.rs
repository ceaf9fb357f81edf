//! Verifiers that fetch their keys: how often, and whom they turn away wrongly, while keys rotate
//! and while somebody sends tokens under names of keys that do not exist.
//!
//! An issuer serves a key set over HTTP and counts; a verifier fetches it as its [`FetchPolicy`]
//! says. Tokens come in waves, sixteen at once, ten milliseconds apart on a clock that the
//! experiment moves: what depends on time (a cooldown, a late publication) is exact, and nothing
//! waits. The fetches and the CPU they take are real.
//!
//! Deliberately absent: a refresh in the background, `Cache-Control`, an issuer that fails.

mod issuer;
mod scenario;
mod verifier;

pub use self::scenario::Scenario;
pub use self::verifier::FetchPolicy;

use anyhow::Context as _;
use authbench::settings::Settings;

use self::issuer::Issuer;
use self::scenario::{Cast, Token};
use self::verifier::{Verifier, all};
use crate::os::cpu::thread_ns;
use crate::record::spectrum::KeySeries;

/// Tokens of a wave.
pub const AT_ONCE: usize = 16;
/// From one wave to the next, nanoseconds.
pub const WAVE_NS: u64 = 10_000_000;
/// The least time between two fetches under [`FetchPolicy::Cooldown`], nanoseconds.
pub const COOLDOWN_NS: u64 = 1_000_000_000;

/// Runs every scenario under every policy, `waves` waves each: 250 are 4,000 tokens in 2.5 s of
/// the experiment's clock.
///
/// # Errors
/// When keys cannot be made, the issuer cannot be started, or a fetch fails.
pub fn measure(waves: u32) -> anyhow::Result<Vec<KeySeries>> {
    let cast = Cast::new(Settings::default(), waves as usize * AT_ONCE / 2)?;
    let mut found = Vec::new();
    for scenario in Scenario::ALL {
        for policy in FetchPolicy::ALL {
            let series = one(&cast, scenario, policy, waves);
            found.push(series.with_context(|| {
                format!("keys: `{}` under `{}`", scenario.name(), policy.name())
            })?);
        }
    }
    Ok(found)
}

/// One scenario, on a thread of its own: its CPU is the verifier's.
fn one(
    cast: &Cast,
    scenario: Scenario,
    policy: FetchPolicy,
    waves: u32,
) -> anyhow::Result<KeySeries> {
    let issuer = Issuer::start(cast.document(false)?)?;
    let series = std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(play(cast, &issuer, scenario, policy, waves))
        };
        scope.spawn(run).join().map_err(|_| anyhow::anyhow!("the verifier's thread panicked"))?
    })?;
    let fetches = issuer.fetches();
    Ok(KeySeries { fetches, issuer_cpu_ns: issuer.stop()?, ..series })
}

async fn play(
    cast: &Cast,
    issuer: &Issuer,
    scenario: Scenario,
    policy: FetchPolicy,
    waves: u32,
) -> anyhow::Result<KeySeries> {
    let verifier = Verifier::start(policy, issuer.address(), &cast.settings).await?;
    let mut series = KeySeries {
        scenario: scenario.name().into(),
        policy: policy.name().into(),
        cooldown_ns: if policy == FetchPolicy::Cooldown { COOLDOWN_NS } else { 0 },
        valid_presented: 0,
        valid_denied: 0,
        unknown_presented: 0,
        unknown_admitted: 0,
        fetches: 0,
        verifier_cpu_ns: 0,
        issuer_cpu_ns: 0,
        new_key_after_ns: None,
    };
    let script = scenario.script(waves);
    let before_ns = thread_ns();
    for wave in 0..waves {
        if script.published_at == Some(wave) {
            issuer.publish(cast.document(true)?);
        }
        let now_ns = u64::from(wave) * WAVE_NS;
        let tokens = script.wave(cast, wave);
        let verdicts =
            all(tokens.iter().map(|token| verifier.verify(token.text, cast.now, now_ns)));
        for (token, verdict) in tokens.iter().zip(verdicts.await) {
            let admitted = verdict?;
            count(&mut series, token, admitted);
            if token.is_new && admitted {
                let since = script.used_from.map_or(0, |from| u64::from(wave - from) * WAVE_NS);
                series.new_key_after_ns.get_or_insert(since);
            }
        }
    }
    series.verifier_cpu_ns = thread_ns() - before_ns;
    Ok(series)
}

fn count(series: &mut KeySeries, token: &Token<'_>, admitted: bool) {
    if token.is_forged {
        series.unknown_presented += 1;
        series.unknown_admitted += u64::from(admitted);
    } else {
        series.valid_presented += 1;
        series.valid_denied += u64::from(!admitted);
    }
}
