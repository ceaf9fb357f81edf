//! Claims: each is there, of the right type, once, and says what it must.

use serde_json::{Value, json};

use super::forge::{Forge, NO_TOKEN};
use super::{Held, Verdict, World, ensure, refused};
use crate::error::Denial;
use crate::strategy::contract::AuthStrategy;

/// The claims without which a token is not one (RFC 9068 section 2.2).
const REQUIRED: [&str; 6] = ["exp", "iat", "iss", "aud", "sub", "jti"];

/// A token that lacks a required claim is refused.
pub(super) async fn missing_claims_are_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    for name in REQUIRED {
        let token = forge.token(|_, claims| drop(claims.remove(name)));
        refused(&format!("without {name}"), &strategy, &token, world.now, &[]).await?;
    }
    Ok(Held::Shown)
}

/// A required claim of the wrong type is not taken for an absent or a satisfied one.
pub(super) async fn mistyped_claims_are_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    for name in REQUIRED {
        let good = forge.claim(name).cloned().unwrap_or_default();
        // A number in a text, a text in a number's place; an array of what would be right.
        let other = match &good {
            Value::String(_) => json!(7),
            good => json!(good.to_string()),
        };
        let mut wrong = vec![other, json!(null), json!(true), json!({}), json!([]), json!(-1)];
        // One audience in an array is one audience (RFC 7519 section 4.1.3).
        wrong.push(if name == "aud" { json!([7]) } else { json!([good]) });
        for value in wrong {
            let what = format!("{name} = {value}");
            let token = forge.token(|_, claims| drop(claims.insert(name.into(), value)));
            refused(&what, &strategy, &token, world.now, &[]).await?;
        }
    }
    Ok(Held::Shown)
}

/// A claim that stands twice has no meaning: readers differ on which one counts.
pub(super) async fn repeated_claims_are_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let (header, claims) = forge.edited(|_, _| {});
    for name in ["sub", "exp", "aud"] {
        let good = forge.claim(name).cloned().unwrap_or_default();
        let twice = claims.replacen('{', &format!("{{\"{name}\":{good},"), 1);
        let key = &forge.keys[0];
        let token = forge.assemble(&header, &twice, |input| super::forge::sign(key, input));
        refused(&format!("{name} twice"), &strategy, &token, world.now, &[]).await?;
    }
    Ok(Held::Shown)
}

async fn another_text<S: AuthStrategy>(world: &World, name: &str, reason: Denial) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let good = forge.claim(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let others = [
        "https://elsewhere.example".to_owned(),
        String::new(),
        format!("{good}/"),
        good.to_ascii_uppercase(),
        good[..good.len() - 1].to_owned(),
    ];
    for other in others {
        let what = format!("{name} = {other:?}");
        let token = forge.token(|_, claims| drop(claims.insert(name.into(), json!(other))));
        refused(&what, &strategy, &token, world.now, &[reason]).await?;
    }
    Ok(Held::Shown)
}

/// A token for somebody else is refused as such.
pub(super) async fn another_audience_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    another_text::<S>(world, "aud", Denial::WrongAudience).await
}

/// A token by somebody else is refused as such, even under our key.
pub(super) async fn another_issuer_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    another_text::<S>(world, "iss", Denial::WrongIssuer).await
}

/// Whoever signed it: a token may not be made to live for ever.
pub(super) async fn a_long_lifetime_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let longest = forge.number("iat")? + world.deps.settings.token_max_lifetime_s;
    let until = |exp: u64| forge.token(|_, claims| drop(claims.insert("exp".into(), json!(exp))));
    super::admitted("the longest life", &strategy, &until(longest), super::ALICE, world.now)
        .await?;
    for exp in [longest + 1, longest + 1_000_000, u64::from(u32::MAX)] {
        let what = format!("exp = {exp}");
        let reasons = [Denial::LifetimeTooLong];
        refused(&what, &strategy, &until(exp), world.now, &reasons).await?;
    }
    // Beyond every clock: however the sum is done, it must not wrap round.
    refused("exp = 2^64 - 1", &strategy, &until(u64::MAX), world.now, &[]).await?;
    Ok(Held::Shown)
}

/// Neither `iat` nor `nbf` may lie ahead.
pub(super) async fn a_token_from_the_future_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    for name in ["iat", "nbf"] {
        let from = |at: u64| forge.token(|_, claims| drop(claims.insert(name.into(), json!(at))));
        let now = world.now;
        super::admitted(&format!("{name} = now"), &strategy, &from(now.0), super::ALICE, now)
            .await?;
        for ahead in [1, 60] {
            let (what, at) = (format!("{name} = now + {ahead}"), now.0 + ahead);
            refused(&what, &strategy, &from(at), now, &[Denial::NotYetValid]).await?;
        }
        refused("in 2^64 - 1", &strategy, &from(u64::MAX), now, &[]).await?;
    }
    Ok(Held::Shown)
}

/// A version is equal or wrong: one that was never handed out is not newer, it is forged or left
/// over from before the store was lost.
pub(super) async fn another_version_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    if forge.claim("ver").is_none() {
        return Ok(Held::NotApplicable("its tokens carry no version"));
    }
    let current = forge.number("ver")?;
    ensure!(current < u64::MAX, "the version starts at its end");
    let wrong = [
        json!(current + 1),
        json!(current + 1_000),
        json!(u64::MAX),
        json!(-1),
        json!(null),
        json!(current.to_string()),
        json!([current]),
    ];
    for version in wrong {
        let what = format!("ver = {version}");
        let token = forge.token(|_, claims| drop(claims.insert("ver".into(), version)));
        refused(&what, &strategy, &token, world.now, &[]).await?;
    }
    let without = forge.token(|_, claims| drop(claims.remove("ver")));
    refused("without ver", &strategy, &without, world.now, &[]).await?;
    Ok(Held::Shown)
}
