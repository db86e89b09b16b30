//! The keys of `[limits]` that are about who may send SIP, and how much.

use std::time::Duration;

use actors::config::{GuardConfig, Network};

use super::reader::Section;

/// Networks listed at most: each message of a stranger is compared with all of them.
const NETWORKS_MAX: usize = 64;

pub(super) fn read_front_door(section: &mut Section<'_>) -> GuardConfig {
    let default = GuardConfig::default();
    let network = |text: &str| text.parse::<Network>().map_err(|error| format!("{text:?} {error}"));
    let known = section.one_or_more("sip_known_sources", &default.known, network);
    if known.len() > NETWORKS_MAX {
        section.refuse("sip_known_sources", format!("{} are above {NETWORKS_MAX}", known.len()));
    }
    GuardConfig {
        known,
        calls_per_source: section.integer("sip_calls_per_source", default.calls_per_source, 1..=10_000),
        calls_per_known_source: section.integer("sip_calls_per_known_source", default.calls_per_known_source, 1..=100_000),
        probes: section.integer("sip_probes", default.probes, 1..=1_000),
        silence: section.seconds("sip_silence_s", Duration::from_secs(300), 1..=86_400),
    }
}
