//! Logins: who a request is, and that nothing but the credential itself is taken for it.

use std::collections::HashSet;
use std::sync::Arc;

use super::{ALICE, BOB, Held, Verdict, World, admitted, ask, build, ensure, log_in, refused};
use crate::credential::Credential;
use crate::entropy::{Entropy, fresh};
use crate::error::{AuthError, Denial, Outage};
use crate::identity::{Principal, SubjectId};
use crate::strategy::contract::{AuthStrategy, Deps, Family};

pub(super) const FLOOR: Held = Held::NotApplicable("the floor authenticates nobody");

/// Every strategy says the same of the same login, at once and later.
pub(super) async fn a_login_is_recognised<S: AuthStrategy>(world: &World) -> Verdict {
    let strategy: S = build(&world.deps).await?;
    for subject in [SubjectId(0), ALICE, BOB, SubjectId(u64::MAX)] {
        let text = log_in(&strategy, subject, world.now).await?;
        let expected = Principal::of_test_subject(subject, world.now);
        for later in [0, 1, 60] {
            let text = super::another(&strategy, &text, subject, world.now).await?;
            let got = ask(&strategy, &text, world.now.plus(later)).await;
            ensure!(
                got == super::Outcome::Admitted(expected),
                "{later} s after the login: expected {expected:?}, got {got:?}"
            );
        }
    }
    Ok(Held::Shown)
}

/// A login never hands out what an earlier one did, and ends no earlier one.
pub(super) async fn every_login_has_a_credential_of_its_own<S: AuthStrategy>(
    world: &World,
) -> Verdict {
    if S::PROPERTIES.family == Family::Floor {
        return Ok(FLOOR);
    }
    let strategy: S = build(&world.deps).await?;
    let mut seen = HashSet::new();
    for login in 0..20 {
        let text = log_in(&strategy, ALICE, world.now).await?;
        ensure!(seen.insert(text), "login {login} was handed the credential of an earlier one");
    }
    // Where using one ends them all, one shows that no later login ended it.
    let many = !super::once::one_use_ends_all(&S::PROPERTIES);
    for text in seen.iter().take(if many { seen.len() } else { 1 }) {
        admitted("one of twenty logins", &strategy, text, ALICE, world.now).await?;
    }
    Ok(Held::Shown)
}

/// Rubbish is denied, without a panic and without an outage.
pub(super) async fn malformed_credentials_are_denied<S: AuthStrategy>(world: &World) -> Verdict {
    let strategy: S = build(&world.deps).await?;
    let good = log_in(&strategy, ALICE, world.now).await?;
    let long = "A".repeat(10_240);
    let dots = ".".repeat(10_240);
    let padded = format!("{good}=");
    let spaced = format!(" {good}");
    let ended = format!("{good}\n");
    let wide = good.replacen(|c: char| c.is_ascii_alphanumeric(), "\u{ff21}", 1);
    let rubbish = [
        "",
        " ",
        ".",
        "..",
        "...",
        "*",
        "../",
        "../../etc/passwd",
        "\0",
        "\r\n",
        "a\r\nSET a b",
        "null",
        "{}",
        "[]",
        "0",
        "%00",
        "\u{1f980}",
        "é",
        "eyJ",
        "eyJ.eyJ.",
        "a.b.c",
        &long,
        &dots,
        &padded,
        &spaced,
        &ended,
        &wide,
    ];
    for text in rubbish {
        let shown: String = text.chars().take(40).collect();
        refused(&format!("{shown:?}"), &strategy, text, world.now, &[]).await?;
        let revoked = strategy.revoke(Credential::new(text), world.now).await;
        ensure!(
            matches!(revoked, Err(AuthError::Denied(_))),
            "revoking {shown:?}: expected a denial, got {revoked:?}"
        );
    }
    admitted("the credential itself", &strategy, &good, ALICE, world.now).await?;
    Ok(Held::Shown)
}

/// Each character of a credential counts, and the refusal says what is wrong.
pub(super) async fn tampering_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family == Family::Floor {
        return Ok(FLOOR);
    }
    let strategy: S = build(&world.deps).await?;
    let good = log_in(&strategy, ALICE, world.now).await?;
    let dots: Vec<usize> = good.match_indices('.').map(|(at, _)| at).collect();
    for (at, old) in good.char_indices() {
        let new = if old == 'A' { "B" } else { "A" };
        let bad = [&good[..at], new, &good[at + 1..]].concat();
        let reasons: &[Denial] = match dots[..] {
            [] => &[Denial::Unknown],
            // The last character of a signature may hold unused bits, which must be zero.
            [_, _] if at + 1 == good.len() => &[Denial::BadSignature, Denial::Malformed],
            [header, _] if at > header && old != '.' => &[Denial::BadSignature],
            _ => &[],
        };
        refused(&format!("character {at} changed"), &strategy, &bad, world.now, reasons).await?;
    }
    for bad in [&good[1..], &good[..good.len() - 1], &format!("{good}A"), &format!("A{good}")] {
        refused("one character less or more", &strategy, bad, world.now, &[]).await?;
    }
    admitted("the credential itself", &strategy, &good, ALICE, world.now).await?;
    Ok(Held::Shown)
}

#[derive(Debug)]
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), Outage> {
        Err(Outage::new("no entropy"))
    }
}

/// Without fresh bytes nothing is handed out.
pub(super) async fn no_entropy_no_login<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family == Family::Floor {
        return Ok(FLOOR);
    }
    let deps = Deps { entropy: Arc::new(NoEntropy), ..world.deps.clone() };
    // One that cannot even start hands out nothing either: nodes may need a name of their own.
    let Ok(strategy) = S::build(&deps).await else { return Ok(Held::Shown) };
    let issued = strategy.issue(ALICE, world.now).await;
    ensure!(issued.is_err(), "a credential was made of no entropy");
    Ok(Held::Shown)
}

#[derive(Debug)]
struct SameEntropy([u8; 32]);

impl Entropy for SameEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Outage> {
        for (byte, same) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *same;
        }
        Ok(())
    }
}

/// When the generator repeats itself, the second login does not take over the first.
pub(super) async fn a_repeated_id_overwrites_nobody<S: AuthStrategy>(world: &World) -> Verdict {
    // Other bytes in each run: a shared store may remember the last one.
    let same = fresh(&*world.deps.entropy).map_err(|e| e.to_string())?;
    let deps = Deps { entropy: Arc::new(SameEntropy(same)), ..world.deps.clone() };
    let strategy: S = build(&deps).await?;
    let first = log_in(&strategy, ALICE, world.now).await?;
    // Whether the second is refused or gets a credential of its own is the strategy's affair.
    let second = strategy.issue(BOB, world.now).await;
    admitted("the first login", &strategy, &first, ALICE, world.now).await?;
    if let Ok(grant) = second {
        admitted("the second login", &strategy, grant.access.expose(), BOB, world.now).await?;
    }
    Ok(Held::Shown)
}
