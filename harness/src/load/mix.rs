//! What is asked of a server, by kind and in which proportion.

use anyhow::ensure;
use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

use super::zipf::EXPONENT_MILLI_MAX;

/// The weights of a mix add up to this.
const WHOLE: u32 = 1_000;

/// One kind of operation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `GET /me` with a credential that is good.
    Valid,
    /// `GET /me` with one whose time is over.
    Expired,
    /// `GET /me` with one that nobody issued.
    Forged,
    /// `GET /me` with one that was logged out.
    Revoked,
    /// `POST /login`.
    Login,
    /// `POST /logout` with a credential of its own.
    Logout,
    /// `POST /refresh` with a credential of its own.
    Refresh,
}

impl Kind {
    /// Every kind, in the order of declaration: `ALL[k as usize] == k`.
    pub const ALL: [Self; 7] = [
        Self::Valid,
        Self::Expired,
        Self::Forged,
        Self::Revoked,
        Self::Login,
        Self::Logout,
        Self::Refresh,
    ];

    /// The kind's name in plans, records and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Forged => "forged",
            Self::Revoked => "revoked",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Refresh => "refresh",
        }
    }

    /// Whether an exchange of this kind can be sent once only: it uses its credential up.
    #[must_use]
    pub const fn is_single_use(self) -> bool {
        matches!(self, Self::Logout | Self::Refresh)
    }

    /// Whether sending an exchange of this kind leaves the server as it was, so that it can be
    /// tried before it is timed.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Valid | Self::Expired | Self::Forged | Self::Revoked)
    }
}

/// A plan file's table: weights per thousand, which must add up to 1,000. A kind that is not named
/// does not occur.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// `GET /me` with a good credential.
    #[serde(default)]
    pub valid: u32,
    /// `GET /me` with an expired one.
    #[serde(default)]
    pub expired: u32,
    /// `GET /me` with a tampered one.
    #[serde(default)]
    pub forged: u32,
    /// `GET /me` with a logged-out one.
    #[serde(default)]
    pub revoked: u32,
    /// `POST /login`.
    #[serde(default)]
    pub login: u32,
    /// `POST /logout`.
    #[serde(default)]
    pub logout: u32,
    /// `POST /refresh`.
    #[serde(default)]
    pub refresh: u32,
    /// Exponent of the Zipf law that subjects are drawn by, thousandths; 0 is uniform.
    #[serde(default)]
    pub zipf_milli: u32,
}

impl Default for Mix {
    /// `GET /me` alone: one request in twenty must be turned away.
    fn default() -> Self {
        Self {
            valid: 950,
            expired: 20,
            forged: 20,
            revoked: 10,
            login: 0,
            logout: 0,
            refresh: 0,
            zipf_milli: 0,
        }
    }
}

/// `92 % valid, 2 % expired, 1.5 % login; subjects by Zipf, exponent 1`.
impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |kind: &Kind| {
            let weight = self.weight(*kind);
            (weight > 0).then(|| format!("{} % {}", f64::from(weight) / 10.0, kind.name()))
        };
        let said: Vec<String> = Kind::ALL.iter().filter_map(share).collect();
        f.write_str(&said.join(", "))?;
        match self.zipf_milli {
            0 => Ok(()),
            milli => write!(f, "; subjects by Zipf, exponent {}", f64::from(milli) / 1e3),
        }
    }
}

/// A mix in words is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseMixError;

impl std::str::FromStr for Mix {
    type Err = ParseMixError;

    /// Reads what [`Mix`] writes.
    fn from_str(text: &str) -> Result<Self, ParseMixError> {
        let (shares, law) = text.split_once("; ").unwrap_or((text, ""));
        let thousandth = |text: &str| -> Result<u32, ParseMixError> {
            let value: f64 = text.parse().map_err(|_| ParseMixError)?;
            let milli = (value * 1e3).round();
            if (0.0..=1e6).contains(&milli) { Ok(milli as u32) } else { Err(ParseMixError) }
        };
        let mut mix = Self { valid: 0, expired: 0, forged: 0, revoked: 0, ..Self::default() };
        for share in shares.split(", ") {
            let (percent, name) = share.split_once(" % ").ok_or(ParseMixError)?;
            let kind = Kind::ALL.into_iter().find(|k| k.name() == name).ok_or(ParseMixError)?;
            *mix.weight_mut(kind) = thousandth(percent)? / 100;
        }
        if !law.is_empty() {
            let exponent = law.strip_prefix("subjects by Zipf, exponent ").ok_or(ParseMixError)?;
            mix.zipf_milli = thousandth(exponent)?;
        }
        mix.check().map(|()| mix).map_err(|_| ParseMixError)
    }
}

impl Mix {
    const fn weight_mut(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Valid => &mut self.valid,
            Kind::Expired => &mut self.expired,
            Kind::Forged => &mut self.forged,
            Kind::Revoked => &mut self.revoked,
            Kind::Login => &mut self.login,
            Kind::Logout => &mut self.logout,
            Kind::Refresh => &mut self.refresh,
        }
    }

    /// The weight of `kind`, per thousand.
    #[must_use]
    pub const fn weight(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Valid => self.valid,
            Kind::Expired => self.expired,
            Kind::Forged => self.forged,
            Kind::Revoked => self.revoked,
            Kind::Login => self.login,
            Kind::Logout => self.logout,
            Kind::Refresh => self.refresh,
        }
    }

    /// Checks the numbers against each other.
    ///
    /// # Errors
    /// Names what cannot be used, and what it must be.
    pub fn check(&self) -> anyhow::Result<()> {
        let sum: u64 = Kind::ALL.iter().map(|kind| u64::from(self.weight(*kind))).sum();
        ensure!(
            sum == u64::from(WHOLE),
            "the weights of the mix add up to {sum}; they must add up to {WHOLE}, and a kind that \
             is not named counts as 0"
        );
        ensure!(
            self.zipf_milli <= EXPONENT_MILLI_MAX,
            "zipf_milli is {}; it must be 0 (uniform) to {EXPONENT_MILLI_MAX}",
            self.zipf_milli
        );
        Ok(())
    }

    /// One kind, by weight. The mix must have passed [`Mix::check`].
    pub fn draw(&self, rng: &mut impl Rng) -> Kind {
        let mut left = rng.random_range(0..WHOLE);
        for kind in Kind::ALL {
            let weight = self.weight(kind);
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Valid
    }

    /// How many of `requests` draws are of `kind`, at the most: the mean and six standard
    /// deviations of the binomial law, which a schedule exceeds less than once in a hundred
    /// million.
    #[must_use]
    pub fn most_of(&self, kind: Kind, requests: u64) -> u64 {
        let share = f64::from(self.weight(kind)) / f64::from(WHOLE);
        let mean = requests as f64 * share;
        let spread = 6.0 * (mean * (1.0 - share)).sqrt();
        // The law is skewed where the mean is small.
        let slack = if share > 0.0 { 8.0 } else { 0.0 };
        ((mean + spread + slack).ceil() as u64).min(requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::stream;

    #[test]
    fn a_table_names_what_occurs_and_nothing_else() {
        let mix: Mix = toml::from_str("valid = 900\nlogin = 60\nlogout = 40").unwrap();
        assert!(mix.check().is_ok());
        assert_eq!((mix.expired, mix.login, mix.zipf_milli), (0, 60, 0));
        assert!(toml::from_str::<Mix>("valid = 1000\nlogins = 0").is_err());
        assert!(Mix::default().check().is_ok());
        for wrong in ["", "valid = 999", "valid = 1000\nlogin = 1", "valid = 4294967295\nlogin = 1"]
        {
            let said = toml::from_str::<Mix>(wrong).unwrap().check().unwrap_err().to_string();
            assert!(said.contains("1000"), "{wrong}: {said}");
        }
        let steep = Mix { zipf_milli: 5_001, ..Mix::default() };
        assert!(steep.check().unwrap_err().to_string().contains("zipf_milli"));
    }

    #[test]
    fn what_a_mix_writes_is_read_back() {
        let logins = Mix { valid: 925, login: 15, logout: 15, zipf_milli: 1_250, ..Mix::default() };
        let rest = Mix { expired: 0, forged: 45, revoked: 0, ..logins };
        for mix in [Mix::default(), rest] {
            assert_eq!(mix.to_string().parse(), Ok(mix), "{mix}");
        }
        for text in ["", "100 % vaild", "99 % valid", "100 valid", "100 % valid; by chance"] {
            assert_eq!(text.parse::<Mix>(), Err(ParseMixError), "{text}");
        }
    }

    #[test]
    fn kinds_come_in_the_proportion_of_their_weights() {
        let mix = Mix { valid: 500, expired: 0, forged: 300, revoked: 200, ..Mix::default() };
        let mut rng = stream(1, "mix test", 0);
        let mut counts = [0_u32; Kind::ALL.len()];
        (0..100_000).for_each(|_| counts[mix.draw(&mut rng) as usize] += 1);
        for kind in Kind::ALL {
            let (seen, wanted) = (counts[kind as usize], mix.weight(kind) * 100);
            assert_eq!(Kind::ALL[kind as usize], kind);
            assert!(seen.abs_diff(wanted) <= 1_000, "{}: {seen}, not {wanted}", kind.name());
            assert_eq!(seen == 0, wanted == 0, "{}", kind.name());
        }
    }

    #[test]
    fn what_is_prepared_is_enough_and_not_absurd() {
        let mix =
            Mix { valid: 990, expired: 0, forged: 0, revoked: 0, logout: 10, ..Mix::default() };
        assert_eq!(mix.most_of(Kind::Refresh, 1_000_000), 0);
        assert_eq!(mix.most_of(Kind::Valid, 3), 3);
        for (requests, most) in [(100, 30), (1_000, 50), (100_000, 1_300)] {
            let prepared = mix.most_of(Kind::Logout, requests);
            assert!(prepared <= most, "{prepared} of {requests}");
            for index in 0..20 {
                let mut rng = stream(2, "most", index);
                let drawn = (0..requests).filter(|_| mix.draw(&mut rng) == Kind::Logout).count();
                assert!(drawn as u64 <= prepared, "{drawn} of {requests}");
            }
        }
    }
}
