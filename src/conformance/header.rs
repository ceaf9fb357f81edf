//! Headers: none of what the bearer writes there is a choice the bearer has.

use serde_json::{Value, json};

use super::forge::{Forge, NO_TOKEN, Object};
use super::{Held, Verdict, World, refused};
use crate::error::Denial;
use crate::strategy::contract::AuthStrategy;

/// Unsigned tokens, in every spelling, with and without a signature (RFC 8725 section 2.1).
pub(super) async fn algorithm_none_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let spellings = [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!("none "),
        json!(""),
        json!(null),
        json!(0),
        json!([]),
        json!(["none"]),
    ];
    for algorithm in spellings {
        let what = format!("alg = {algorithm}");
        let edit = |header: &mut Object| drop(header.insert("alg".into(), algorithm.clone()));
        let (header, claims) = forge.edited(|header, _| edit(header));
        let unsigned = forge.assemble(&header, &claims, |_| Vec::new());
        refused(&format!("{what}, unsigned"), &strategy, &unsigned, world.now, &[]).await?;
        let bare = unsigned.trim_end_matches('.');
        refused(&format!("{what}, two parts"), &strategy, bare, world.now, &[]).await?;
        let signed = forge.token(|header, _| edit(header));
        refused(&format!("{what}, signed"), &strategy, &signed, world.now, &[]).await?;
    }
    let (header, claims) = forge.edited(|_, _| {});
    let stripped = forge.assemble(&header, &claims, |_| Vec::new());
    refused("stripped of its signature", &strategy, &stripped, world.now, &[]).await?;
    let silent = forge.token(|header, _| drop(header.remove("alg")));
    refused("without alg", &strategy, &silent, world.now, &[]).await?;
    Ok(Held::Shown)
}

/// A token made for another purpose under the same key is no access token (RFC 8725 section 3.11).
pub(super) async fn another_type_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    for text in ["JWT", "rt+jwt", "logout+jwt", "dpop+jwt", "", "at+jwt ", "at+jw"] {
        let token = forge.token(|header, _| drop(header.insert("typ".into(), json!(text))));
        let what = format!("typ = {text:?}");
        refused(&what, &strategy, &token, world.now, &[Denial::WrongType]).await?;
    }
    for value in [json!(7), json!(null), json!(["at+jwt"])] {
        let what = format!("typ = {value}");
        let token = forge.token(|header, _| drop(header.insert("typ".into(), value)));
        refused(&what, &strategy, &token, world.now, &[]).await?;
    }
    let without = forge.token(|header, _| drop(header.remove("typ")));
    refused("without typ", &strategy, &without, world.now, &[]).await?;
    Ok(Held::Shown)
}

/// Whatever a token calls critical is not understood here (RFC 7515 section 4.1.11).
pub(super) async fn critical_extensions_are_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    for list in [json!(["x"]), json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("x")] {
        let what = format!("crit = {list}");
        let token = forge.token(|header, _| {
            header.insert("crit".into(), list);
            header.insert("b64".into(), Value::Bool(true));
        });
        refused(&what, &strategy, &token, world.now, &[]).await?;
    }
    Ok(Held::Shown)
}

/// With two live keys a token must name the right one, and only by its name.
pub(super) async fn an_unknown_key_is_refused<S: AuthStrategy>(world: &World) -> Verdict {
    let Some((strategy, forge)) = Forge::open::<S>(world).await? else { return NO_TOKEN };
    let named = |kid: Value| forge.token(|header, _| drop(header.insert("kid".into(), kid)));
    let names = [
        "",
        "unknown",
        "../../../../dev/null",
        "' UNION SELECT '1",
        "a\r\nb",
        "*",
        "\0",
        "{\"$ne\":null}",
    ];
    for name in names {
        let what = format!("kid = {name:?}");
        let reasons = [Denial::UnknownKey];
        refused(&what, &strategy, &named(json!(name)), world.now, &reasons).await?;
    }
    for kid in [json!(null), json!(0), json!([]), json!({})] {
        let what = format!("kid = {kid}");
        refused(&what, &strategy, &named(kid), world.now, &[]).await?;
    }
    let without = forge.token(|header, _| drop(header.remove("kid")));
    refused("without kid", &strategy, &without, world.now, &[]).await?;
    // The other live key's name: it is known, and the signature is not its.
    let other = json!(forge.keys[1].kid);
    refused(
        "under the other key's kid",
        &strategy,
        &named(other),
        world.now,
        &[Denial::BadSignature],
    )
    .await?;
    Ok(Held::Shown)
}
