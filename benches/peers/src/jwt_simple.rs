//! jwt-simple. HMAC, Ed25519 and P-256 are Rust in every build of it; RSA is BoringSSL by default,
//! or Rust with its feature `pure-rust`.

use std::collections::HashSet;
use std::fmt;

use ::jwt_simple::algorithms::{
    ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ES256KeyPair, ES256PublicKey,
    Ed25519KeyPair, Ed25519PublicKey, EdDSAKeyPairLike as _, EdDSAPublicKeyLike as _, HS256Key,
    MACLike as _, RS256KeyPair, RS256PublicKey, RSAKeyPairLike as _, RSAPublicKeyLike as _,
};
use ::jwt_simple::claims::{Audiences, JWTClaims};
use ::jwt_simple::common::{HeaderOptions, VerificationOptions};
use ::jwt_simple::prelude::{Duration, UnixTimeStamp};
use ::jwt_simple::token::Token;
use anyhow::{Context as _, bail};
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::NewToken;
use authbench::token::key::{Algorithm, Key};
use base64_simd::STANDARD;

use crate::claims::{Claims, NewPrivateClaims, PrivateClaims, jti, there};
use crate::peer::Peer;

/// jwt-simple with the keys of one algorithm.
pub struct JwtSimple {
    signing: Signing,
    verifying: Vec<(String, Verifying)>,
    options: VerificationOptions,
    header: HeaderOptions,
    settings: Settings,
}

enum Signing {
    Hs256(HS256Key),
    EdDsa(Ed25519KeyPair),
    Es256(ES256KeyPair),
    Rs256(Box<RS256KeyPair>),
}

enum Verifying {
    Hs256(HS256Key),
    EdDsa(Ed25519PublicKey),
    Es256(ES256PublicKey),
    Rs256(RS256PublicKey),
}

impl fmt::Debug for JwtSimple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtSimple({} keys)", self.verifying.len())
    }
}

fn signing(algorithm: Algorithm, key: &Key) -> anyhow::Result<Signing> {
    let der = &key.private;
    Ok(match algorithm {
        Algorithm::Hs256 => Signing::Hs256(HS256Key::from_bytes(der).with_key_id(&key.kid)),
        Algorithm::EdDsa => Signing::EdDsa(Ed25519KeyPair::from_der(der)?.with_key_id(&key.kid)),
        Algorithm::Es256 => Signing::Es256(ES256KeyPair::from_der(der)?.with_key_id(&key.kid)),
        Algorithm::Rs256 => {
            Signing::Rs256(Box::new(RS256KeyPair::from_pem(&pem(der))?.with_key_id(&key.kid)))
        }
        Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
            bail!("{} is not compared", algorithm.name())
        }
    })
}

/// PKCS#8 in its textual form (RFC 7468 section 10): from DER, BoringSSL takes PKCS#1 alone.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in der.chunks(48) {
        STANDARD.encode_append(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

impl Signing {
    fn verifying(self) -> Verifying {
        match self {
            Self::Hs256(key) => Verifying::Hs256(key),
            Self::EdDsa(pair) => Verifying::EdDsa(pair.public_key()),
            Self::Es256(pair) => Verifying::Es256(pair.public_key()),
            Self::Rs256(pair) => Verifying::Rs256(pair.public_key()),
        }
    }
}

impl Peer for JwtSimple {
    const NAME: &'static str = "jwt-simple";

    fn backend(algorithm: Algorithm) -> Option<&'static str> {
        (cfg!(feature = "pure-rust") && algorithm == Algorithm::Rs256).then_some("pure-rust")
    }

    fn new(algorithm: Algorithm, keys: &[&Key], settings: &Settings) -> anyhow::Result<Self> {
        let first = keys.first().context("no key")?;
        let verifying = keys
            .iter()
            .map(|key| Ok((key.kid.clone(), signing(algorithm, key)?.verifying())))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            signing: signing(algorithm, first)?,
            verifying,
            options: VerificationOptions {
                required_signature_type: Some("at+jwt".into()),
                allowed_issuers: Some(HashSet::from([settings.issuer.clone()])),
                allowed_audiences: Some(HashSet::from([settings.audience.clone()])),
                // Its default is a leeway of 15 minutes.
                time_tolerance: Some(Duration::from_secs(settings.leeway_s)),
                max_token_length: Some(8 * 1024),
                ..VerificationOptions::default()
            },
            header: HeaderOptions { signature_type: Some("at+jwt".into()), content_type: None },
            settings: settings.clone(),
        })
    }

    fn read(&self, token: &str) -> anyhow::Result<Claims> {
        let metadata = Token::decode_metadata(token)?;
        let kid = metadata.key_id().context("it has no kid")?;
        let (_, key) =
            self.verifying.iter().find(|(name, _)| name == kid).context("an unknown kid")?;
        // It takes its options by value, every time.
        let options = Some(self.options.clone());
        let claims: JWTClaims<PrivateClaims> = match key {
            Verifying::Hs256(key) => key.verify_token(token, options)?,
            Verifying::EdDsa(key) => key.verify_token(token, options)?,
            Verifying::Es256(key) => key.verify_token(token, options)?,
            Verifying::Rs256(key) => key.verify_token(token, options)?,
        };
        Ok(Claims {
            iss: there(claims.issuer, "iss")?,
            sub: there(claims.subject, "sub")?,
            aud: there(claims.audiences, "aud")?.into_string()?,
            exp: there(claims.expires_at, "exp")?.as_secs(),
            iat: there(claims.issued_at, "iat")?.as_secs(),
            auth_time: claims.custom.auth_time,
            jti: there(claims.jwt_id, "jti")?,
            scope: claims.custom.scope,
            tenant: claims.custom.tenant,
        })
    }

    /// It accepts a token in the very second of its `exp`.
    fn check_the_rest(&self, claims: &Claims, now: UnixTime) -> anyhow::Result<()> {
        claims.must_not_have_expired(now)
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> anyhow::Result<String> {
        let at = |time: UnixTime| -> Option<UnixTimeStamp> { Some(Duration::from_secs(time.0)) };
        let claims = JWTClaims {
            issued_at: at(now),
            expires_at: at(now.plus(self.settings.token_lifetime_s)),
            invalid_before: None,
            issuer: Some(self.settings.issuer.clone()),
            subject: Some(token.principal.subject.to_string()),
            audiences: Some(Audiences::AsString(self.settings.audience.clone())),
            jwt_id: Some(jti(&token.id)),
            nonce: None,
            custom: NewPrivateClaims::of(&token.principal),
        };
        Ok(match &self.signing {
            Signing::Hs256(key) => key.authenticate_with_options(claims, &self.header)?,
            Signing::EdDsa(pair) => pair.sign_with_options(claims, &self.header)?,
            Signing::Es256(pair) => pair.sign_with_options(claims, &self.header)?,
            Signing::Rs256(pair) => pair.sign_with_options(claims, &self.header)?,
        })
    }
}
