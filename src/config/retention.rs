//! The section `[retention]`: how long what is kept where an organization has said nothing of it, and exports of persons.

use std::time::Duration;

use store::{RETENTION_DAYS_MAX, RetentionDays};

use super::reader::Section;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// `[retention]`: how long what is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetentionConfig {
    /// In days, 0-3650, default 0: for ever.
    pub days: RetentionDays<u32>,
    /// How long the file of an export can be fetched, 1-720 hours, default 72.
    pub exports: Duration,
}

pub(super) fn read_retention(mut section: Section<'_>) -> RetentionConfig {
    let mut days = |key: &str| section.integer(key, 0, 0..=RETENTION_DAYS_MAX);
    let days =
        RetentionDays { recordings: days("recordings_days"), transcripts: days("transcripts_days"), logs: days("logs_days") };
    let exports = HOUR * section.integer("exports_hours", 72, 1..=720);
    section.finish();
    RetentionConfig { days, exports }
}
