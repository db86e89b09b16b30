//! How long a session lives without a refresh, and who refreshes it (RFC 4028).
//!
//! ```text
//! since          refresh_at         bye_at              since + interval
//!   |---- 1/2 interval ----|---- ... ----|-- min(32 s, 1/3) --|
//! ```
//! Whoever refreshes does so by UPDATE, or by INVITE where the peer takes no UPDATE. Whoever sees no refresh in time says BYE.

use std::time::{Duration, Instant};

use super::EndpointConfig;
use crate::message::{Headers, Request, name};
use crate::uri::Params;

/// Shortest session of a peer that is taken as it is said: refreshes would be more than the call.
const INTERVAL_LEAST: Duration = Duration::from_secs(20);
/// Longest that a peer may ask for; more is read as this.
const INTERVAL_MOST: Duration = Duration::from_secs(86_400);
/// Least that anybody may ask of a session (RFC 4028 §5).
const MIN_SE: Duration = Duration::from_secs(90);
/// How long before its end a session without a refresh is ended, if that is less than a third of it (RFC 4028 §10).
const BYE_BEFORE: Duration = Duration::from_secs(32);

/// What both sides agreed on, and how far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Session {
    pub interval: Duration,
    /// The refresher is us.
    pub is_ours: bool,
    /// When we refresh; `None` when the peer does, or once we did.
    pub refresh_at: Option<Instant>,
    /// When it is given up.
    pub bye_at: Instant,
}

impl Session {
    fn new(now: Instant, interval: Duration, is_ours: bool) -> Self {
        let interval = interval.clamp(INTERVAL_LEAST, INTERVAL_MOST);
        let bye_at = now + interval - BYE_BEFORE.min(interval / 3);
        Self { interval, is_ours, refresh_at: is_ours.then_some(now + interval / 2), bye_at }
    }

    /// What the 2xx to a request of ours says; `None`: the session needs no refresh.
    pub fn agreed(now: Instant, response: &Headers) -> Option<Self> {
        let (interval, refresher) = read(response)?;
        Some(Self::new(now, interval, refresher != Some(Refresher::Uas)))
    }

    /// A refresh failed, but not for good: once more in half the time that is left, if that is worth it.
    pub fn refresh_later(&mut self, now: Instant) {
        let rest = self.bye_at.saturating_duration_since(now) / 2;
        self.refresh_at = (rest >= INTERVAL_LEAST / 4).then(|| now + rest);
    }

    /// What our 2xx says of a session that we granted. Who must refresh must know how.
    pub fn push_granted(&self, headers: &mut Headers) {
        let refresher = if self.is_ours { "uas" } else { "uac" };
        headers.push(name::SESSION_EXPIRES, format!("{};refresher={refresher}", self.interval.as_secs()));
        if !self.is_ours {
            headers.push(name::REQUIRE, "timer");
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refresher {
    Uac,
    Uas,
}

/// A Session-Expires that can be read.
fn read(headers: &Headers) -> Option<(Duration, Option<Refresher>)> {
    let value = headers.get(name::SESSION_EXPIRES)?;
    let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
    let seconds: u32 = seconds.trim().parse().ok()?;
    let params = Params::parse(params).unwrap_or_default();
    let refresher = match params.get("refresher").map(str::to_ascii_lowercase).as_deref() {
        Some("uac") => Some(Refresher::Uac),
        Some("uas") => Some(Refresher::Uas),
        _ => None,
    };
    Some((Duration::from_secs(seconds.into()), refresher))
}

/// The Min-SE of a request or of a 422.
pub(super) fn min_se(headers: &Headers) -> Option<Duration> {
    let seconds = headers.get(name::MIN_SE)?.split(';').next()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()).min(INTERVAL_MOST))
}

/// What a request of ours that makes or refreshes a session says of it: what was agreed on, or else what we wish for. `least`: what the
/// other side said is too little.
pub(super) fn push_wish(headers: &mut Headers, config: &EndpointConfig, session: Option<&Session>, least: Duration) {
    let least = least.max(config.session_min);
    let (interval, refresher) = match session {
        Some(session) if session.is_ours => (Some(session.interval), ";refresher=uac"),
        Some(session) => (Some(session.interval), ";refresher=uas"),
        None => (config.session_expires, ""),
    };
    if let Some(interval) = interval {
        headers.set(name::SESSION_EXPIRES, format!("{}{refresher}", interval.max(least).as_secs()));
        headers.set(name::MIN_SE, least.as_secs().to_string());
    }
}

/// The session that we grant a request of the peer; `None` when neither side wants one.
///
/// # Errors
/// What we want at least, when it asks for less: to be refused with 422.
pub(super) fn grant(now: Instant, request: &Request, config: &EndpointConfig) -> Result<Option<Session>, Duration> {
    let headers = &request.headers;
    let knows = headers.lists(name::SUPPORTED, "timer") || headers.lists(name::REQUIRE, "timer");
    let least = min_se(headers).unwrap_or(MIN_SE).max(config.session_min);
    match (read(headers), config.session_expires) {
        (Some((asked, _)), _) if asked < config.session_min && knows => Err(config.session_min),
        (Some((asked, refresher)), ours) => {
            let interval = ours.map_or(asked, |ours| asked.min(ours)).max(least);
            let is_ours = !knows || refresher == Some(Refresher::Uas);
            Ok(Some(Session::new(now, interval, is_ours)))
        }
        (None, Some(ours)) if knows => Ok(Some(Session::new(now, ours.max(least), true))),
        (None, _) => Ok(None),
    }
}
