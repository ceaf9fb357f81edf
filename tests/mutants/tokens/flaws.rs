//! The flaws of tokens, and what finds each.

use authbench::settings::Settings;
use authbench::token::algorithm::{Es256, Hs256};
use authbench::token::library::Library;
use serde_json::{Map, Value, json};

use super::{Flaw, Mutant, State};

/// Takes `value` for what stands there, if something stands there.
fn mend(object: &mut Map<String, Value>, name: &str, value: Value) {
    if object.get(name).is_some_and(Value::is_string) {
        object.insert(name.into(), value);
    }
}

macro_rules! flaws {
    ($($flaw:ident<$tokens:ty> { $($item:item)* })+) => {
        $(
            struct $flaw;
            impl Flaw for $flaw {
                type Tokens = Library<$tokens>;
                $($item)*
            }
        )+
    };
}
type Members = Map<String, Value>;
flaws! {
    Sound<Hs256> {}
    AnyAudience<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) =
            |_, claims, settings| mend(claims, "aud", json!(settings.audience));
    }
    AnyIssuer<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) =
            |_, claims, settings| mend(claims, "iss", json!(settings.issuer));
    }
    AnyType<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) =
            |header, _, _| drop(header.insert("typ".into(), json!("at+jwt")));
    }
    AnyKey<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) =
            |header, _, _| drop(header.insert("kid".into(), json!("hs256-current")));
    }
    AnyExtension<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) =
            |header, _, _| drop(header.remove("crit"));
    }
    NoSubject<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) = |_, claims, _| {
            claims.entry("sub").or_insert_with(|| json!("u-00000000000a11ce"));
        };
    }
    MistypedIssuer<Hs256> {
        // What `jsonwebtoken` does unless the claim is also a required one.
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) = |_, claims, settings| {
            if claims.get("iss").is_some_and(|iss| !iss.is_string()) {
                claims.insert("iss".into(), json!(settings.issuer));
            }
        };
    }
    AnyLifetime<Hs256> {
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) = |_, claims, settings| {
            let number = |name| claims.get(name).and_then(Value::as_u64);
            let (iat, exp) = (number("iat"), number("exp"));
            let longest = iat.unwrap_or(0).saturating_add(settings.token_max_lifetime_s);
            if exp.is_some_and(|exp| exp > longest) {
                claims.insert("exp".into(), json!(longest));
            }
        };
    }
    Unsigned<Hs256> {
        const UNSIGNED_WILL_DO: bool = true;
        const OVERLOOKS: fn(&mut Members, &mut Members, &Settings) = |header, _, _| {
            let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
            if name.eq_ignore_ascii_case("none") {
                header.insert("alg".into(), json!("HS256"));
            }
        };
    }
    ShortSecret<Hs256> { const SHORT_SECRETS_WILL_DO: bool = true; }
    OffByOne<Hs256> { const LEEWAY_NOBODY_ASKED_FOR_S: u64 = 1; }
    SoundDenylist<Hs256> { const STATE: State = State::Denied; }
    BriefEntry<Hs256> {
        const STATE: State = State::Denied;
        const ENTRY_WITHOUT_LEEWAY: bool = true;
    }
    ByText<Es256> {
        const STATE: State = State::Denied;
        const DENIES_THE_TEXT: bool = true;
    }
    OpenDenylist<Hs256> {
        const STATE: State = State::Denied;
        const AN_OUTAGE_ADMITS: bool = true;
    }
    SoundVersion<Hs256> { const STATE: State = State::Versions; }
    AtLeast<Hs256> {
        const STATE: State = State::Versions;
        const AT_LEAST_WILL_DO: bool = true;
    }
    OneVersion<Hs256> {
        const STATE: State = State::Versions;
        const ONE_VERSION_FOR_ALL: bool = true;
    }
    BriefVersion<Hs256> {
        const STATE: State = State::Versions;
        const VERSIONS_EXPIRE: bool = true;
    }
}

crate::mutants! {
    sound_tokens_show_everything: Mutant<Sound> => [];
    no_audience_check: Mutant<AnyAudience> => [another_audience_is_refused];
    no_issuer_check: Mutant<AnyIssuer> => [another_issuer_is_refused];
    no_type_check: Mutant<AnyType> => [another_type_is_refused];
    kid_ignored: Mutant<AnyKey> => [an_unknown_key_is_refused];
    crit_ignored: Mutant<AnyExtension> => [critical_extensions_are_refused];
    subject_not_required: Mutant<NoSubject> => [missing_claims_are_refused];
    mistyped_issuer_skipped: Mutant<MistypedIssuer> => [mistyped_claims_are_refused];
    no_longest_lifetime: Mutant<AnyLifetime> => [a_long_lifetime_is_refused];
    algorithm_none_taken: Mutant<Unsigned> => [algorithm_none_is_refused];
    short_secret_taken: Mutant<ShortSecret> => [a_short_secret_is_refused];
    expiry_off_by_one: Mutant<OffByOne> =>
        [expiry_is_a_threshold, leeway_is_a_threshold, only_a_good_credential_revokes];
    a_sound_denylist_shows_everything: Mutant<SoundDenylist> => [];
    denied_without_the_leeway: Mutant<BriefEntry> => [the_revoked_stays_revoked];
    denied_by_text: Mutant<ByText> => [a_rewritten_token_stays_revoked];
    an_outage_admits: Mutant<OpenDenylist> => [a_store_that_is_down_is_as_declared];
    a_sound_version_shows_everything: Mutant<SoundVersion> => [];
    version_at_least: Mutant<AtLeast> => [another_version_is_refused];
    one_version_for_all: Mutant<OneVersion> =>
        [revocation_takes_back_what_it_says, logout_everywhere_keeps_its_promise,
         the_store_holds_no_credential, a_store_that_is_down_is_as_declared,
         a_restart_is_as_declared];
    versions_that_expire: Mutant<BriefVersion> => [the_revoked_stays_revoked];
}
