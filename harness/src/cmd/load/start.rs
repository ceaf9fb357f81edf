//! The instant at which a load begins: a wall-clock time, converted to the monotonic clock once.

use std::time::{Duration, Instant, SystemTime};

use crate::cli::UsageError;

/// A start further ahead is a typo.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// When to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The wall-clock instant, for the record.
    pub(super) wall: SystemTime,
    /// The same on this process's clock.
    at: Instant,
}

impl Start {
    /// Converts `text`, RFC 3339, of a time that is still to come.
    ///
    /// # Errors
    /// When it is no such time, has passed, or is more than an hour ahead.
    pub(super) fn parse(text: &str, now: SystemTime) -> anyhow::Result<Self> {
        let monotonic = Instant::now();
        let refuse = |why: String| UsageError(format!("--start-at `{text}`: {why}"));
        let wall = humantime::parse_rfc3339(text).map_err(|_| {
            refuse("it is no RFC 3339 time in UTC, as 2026-01-31T23:59:59.5Z".into())
        })?;
        let ahead = wall.duration_since(now).map_err(|passed| {
            let ago = passed.duration().as_secs_f64();
            refuse(format!("it passed {ago:.3} s ago; all drivers must still have it before them"))
        })?;
        if ahead > AHEAD_MAX {
            return Err(refuse("it is more than an hour ahead".into()).into());
        }
        Ok(Self { wall, at: monotonic + ahead })
    }

    /// Waits for it.
    pub(super) fn wait(&self) {
        std::thread::sleep(self.at.saturating_duration_since(Instant::now()));
    }

    /// How long ago it was, nanoseconds; 0 while it is ahead.
    #[must_use]
    pub(super) fn ago_ns(&self) -> u64 {
        let ago = Instant::now().saturating_duration_since(self.at);
        u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_ahead_is_converted_and_any_other_refused() {
        let now = humantime::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        let start = Start::parse("2026-01-31T12:00:01.5Z", now).unwrap();
        assert_eq!(start.wall.duration_since(now).unwrap(), Duration::from_millis(1_500));
        assert_eq!(start.ago_ns(), 0);
        let left = start.at.saturating_duration_since(Instant::now());
        assert!(left <= Duration::from_millis(1_500) && left > Duration::from_millis(500));
        for (text, wanted) in [
            ("2026-01-31T11:59:59Z", "passed 1.000 s ago"),
            ("2026-01-31T13:00:01Z", "more than an hour"),
            ("tomorrow", "RFC 3339"),
            ("2026-01-31", "RFC 3339"),
        ] {
            let error = Start::parse(text, now).unwrap_err();
            assert!(error.is::<UsageError>() && error.to_string().contains(wanted), "{error}");
        }
    }
}
