//! The sections `[events]` and `[webhooks]`: how long what happens is kept, and who is told.

use std::time::Duration;

use ai::net::guard::Reach;
use platform::events::ReaderLimits;
use store::EventsKept;

use super::reader::Section;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[events]`: what happens, for those who listen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventsConfig {
    /// How long it is kept, 1-365 days, default 7; and how much of an organization, default 1,000,000.
    pub kept: EventsKept,
    /// How many may listen.
    pub readers: ReaderLimits,
}

/// `[webhooks]`: what happens, for those who are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WebhooksConfig {
    /// Where they may be; default: the Internet only.
    pub reach: Reach,
}

pub(super) fn read_events(mut section: Section<'_>) -> EventsConfig {
    let age = DAY * section.integer("keep_days", 7, 1..=365);
    let count = u64::from(section.integer("keep_max", 1_000_000, 1_000..=100_000_000));
    let defaults = ReaderLimits::default();
    let mut readers = |key: &str, default: usize| section.integer(key, default as u32, 1..=1_000) as usize;
    let in_all = readers("readers", defaults.in_all);
    let of_organization = readers("readers_per_organization", defaults.of_organization);
    section.finish();
    EventsConfig { kept: EventsKept { age, count }, readers: ReaderLimits { of_organization, in_all } }
}

pub(super) fn read_webhooks(mut section: Section<'_>) -> WebhooksConfig {
    let reach = if section.flag("allow_private_urls", false) { Reach::Private } else { Reach::Public };
    section.finish();
    WebhooksConfig { reach }
}
