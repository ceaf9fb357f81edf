//! josekit, on the system's OpenSSL.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::josekit::Value;
use ::josekit::jwk::KeyPair as _;
use ::josekit::jws::{ES256, EdDSA, HS256, JwsHeader, JwsSigner, JwsVerifier, RS256};
use ::josekit::jwt::{self, JwtPayload, JwtPayloadValidator};
use anyhow::{Context as _, bail, ensure};
use authbench::identity::UnixTime;
use authbench::settings::Settings;
use authbench::token::NewToken;
use authbench::token::key::{Algorithm, Key};

use crate::claims::{Claims, jti, there};
use crate::peer::Peer;

/// josekit with the keys of one algorithm.
pub struct Josekit {
    signer: Box<dyn JwsSigner>,
    verifiers: Vec<(String, Box<dyn JwsVerifier>)>,
    validator: JwtPayloadValidator,
    header: JwsHeader,
    settings: Settings,
}

impl fmt::Debug for Josekit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Josekit({} keys)", self.verifiers.len())
    }
}

type Both = (Box<dyn JwsSigner>, Box<dyn JwsVerifier>);

fn parse(algorithm: Algorithm, key: &Key) -> anyhow::Result<Both> {
    let der = &key.private;
    Ok(match algorithm {
        Algorithm::Hs256 => {
            (Box::new(HS256.signer_from_bytes(der)?), Box::new(HS256.verifier_from_bytes(der)?))
        }
        Algorithm::EdDsa => {
            let public = EdDSA.key_pair_from_der(der)?.to_der_public_key();
            (Box::new(EdDSA.signer_from_der(der)?), Box::new(EdDSA.verifier_from_der(public)?))
        }
        Algorithm::Es256 => {
            let public = ES256.key_pair_from_der(der)?.to_der_public_key();
            (Box::new(ES256.signer_from_der(der)?), Box::new(ES256.verifier_from_der(public)?))
        }
        Algorithm::Rs256 => {
            let public = RS256.key_pair_from_der(der)?.to_der_public_key();
            (Box::new(RS256.signer_from_der(der)?), Box::new(RS256.verifier_from_der(public)?))
        }
        Algorithm::Hs384 | Algorithm::Hs512 | Algorithm::Es384 | Algorithm::Ps256 => {
            bail!("{} is not compared", algorithm.name())
        }
    })
}

fn text(payload: &JwtPayload, name: &'static str) -> anyhow::Result<String> {
    there(payload.claim(name).and_then(Value::as_str), name).map(str::to_owned)
}

fn seconds(payload: &JwtPayload, name: &'static str) -> anyhow::Result<u64> {
    there(payload.claim(name).and_then(Value::as_u64), name)
}

impl Peer for Josekit {
    const NAME: &'static str = "josekit";

    fn new(algorithm: Algorithm, keys: &[&Key], settings: &Settings) -> anyhow::Result<Self> {
        let first = keys.first().context("no key")?;
        let mut verifiers = Vec::new();
        for key in keys {
            verifiers.push((key.kid.clone(), parse(algorithm, key)?.1));
        }
        let mut validator = JwtPayloadValidator::new();
        validator.set_issuer(&settings.issuer);
        validator.set_audience(&settings.audience);
        let mut header = JwsHeader::new();
        header.set_token_type("at+jwt");
        header.set_key_id(&first.kid);
        Ok(Self {
            signer: parse(algorithm, first)?.0,
            verifiers,
            validator,
            header,
            settings: settings.clone(),
        })
    }

    /// It reads `typ` and leaves the comparison to the application, so that is done here.
    fn read(&self, token: &str) -> anyhow::Result<Claims> {
        let (payload, header) = jwt::decode_with_verifier_selector(token, |header| {
            let kid = header.key_id();
            let found = self.verifiers.iter().find(|(name, _)| Some(name.as_str()) == kid);
            Ok(found.map(|(_, verifier)| &**verifier))
        })?;
        let typ = header.token_type().context("it has no typ")?;
        ensure!(typ.eq_ignore_ascii_case("at+jwt"), "not an access token");
        self.validator.validate(&payload)?;
        Ok(Claims {
            iss: text(&payload, "iss")?,
            sub: text(&payload, "sub")?,
            aud: text(&payload, "aud")?,
            exp: seconds(&payload, "exp")?,
            iat: seconds(&payload, "iat")?,
            auth_time: seconds(&payload, "auth_time")?,
            jti: text(&payload, "jti")?,
            scope: text(&payload, "scope")?,
            tenant: text(&payload, "tenant")?,
        })
    }

    /// Its `exp` is compared with the system's clock; ours with the caller's.
    fn check_the_rest(&self, claims: &Claims, now: UnixTime) -> anyhow::Result<()> {
        claims.must_not_have_expired(now)
    }

    fn issue(&self, token: &NewToken, now: UnixTime) -> anyhow::Result<String> {
        let at = |time: UnixTime| -> SystemTime { UNIX_EPOCH + Duration::from_secs(time.0) };
        let who = &token.principal;
        let mut payload = JwtPayload::new();
        payload.set_issuer(&self.settings.issuer);
        payload.set_subject(who.subject.to_string());
        payload.set_audience(vec![self.settings.audience.as_str()]);
        payload.set_expires_at(&at(now.plus(self.settings.token_lifetime_s)));
        // Its `set_issued_at` writes a fraction (`.0`), which RFC 7519 allows and ours refuses.
        payload.set_claim("iat", Some(now.0.into()))?;
        payload.set_jwt_id(jti(&token.id));
        payload.set_claim("auth_time", Some(who.auth_time.0.into()))?;
        payload.set_claim("scope", Some(who.scopes.to_string().into()))?;
        payload.set_claim("tenant", Some(who.tenant.to_string().into()))?;
        Ok(jwt::encode_with_signer(&payload, &self.header, &*self.signer)?)
    }
}
