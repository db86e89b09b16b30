//! Whom to dial now, and when to look again: a pure function of the time and of all that is under way.

use std::time::Duration;

use jiff::tz::TimeZone;
use store::{DialPlan, Pulse, WallTime};

use super::window::{Opening, Window, opening};

/// Whom nobody may call at any time is looked at again after this: a window may be added.
const NEVER_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What is to be done at a claim: at most one is dialled, since the next may only follow a gap later.
///
/// Never above the campaign's concurrency; never within its gap of the last dial, so that no minute has more calls than it may; never
/// outside a window by the callee's clock. Whose zone is shut now is put off, all of that zone with them.
#[must_use]
pub fn plan(pulse: Pulse<'_>, windows: &[Window], now: WallTime) -> DialPlan {
    let mut plan = DialPlan::default();
    let Pulse { campaign, under_way, due } = pulse;
    if under_way >= campaign.concurrency || ready_at(campaign.dialed_at, campaign.gap) > now {
        return plan;
    }
    let mut open: Option<&str> = None;
    for (place, contact) in due.iter().enumerate() {
        if plan.closed.iter().any(|(zone, _)| *zone == contact.zone) {
            continue;
        }
        let is_open = open == Some(contact.zone.as_str())
            || match opening(windows, &zone_of(&contact.zone), now) {
                Opening::Now => true,
                Opening::At(from) => {
                    plan.closed.push((contact.zone.clone(), from));
                    false
                }
                Opening::Never => {
                    plan.closed.push((contact.zone.clone(), later(now, NEVER_WAIT)));
                    false
                }
            };
        if is_open {
            open = Some(&contact.zone);
            plan.dial.get_or_insert(place);
        }
    }
    plan
}

/// When the next call may go out, whatever else is so.
#[must_use]
pub fn ready_at(dialed_at: Option<WallTime>, gap: Duration) -> WallTime {
    dialed_at.map_or(WallTime::from_micros(i64::MIN), |last| later(last, gap))
}

/// The zone of this name. Names are checked when they come in; one that is gone from the database since counts as UTC.
fn zone_of(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

pub(super) fn later(at: WallTime, wait: Duration) -> WallTime {
    WallTime::from_micros(at.micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
}
