//! `[retention]`.

use std::time::Duration;

use store::RetentionDays;

use super::{check, load};

#[test]
fn what_is_kept_for_ever_unless_it_is_said() {
    let forever = load("", &[]).retention;
    assert_eq!(forever.days, RetentionDays::default());
    assert_eq!(forever.exports, Duration::from_secs(72 * 3_600));
    let said = load("[retention]\nrecordings_days = 30\ntranscripts_days = 90\nlogs_days = 7\nexports_hours = 24", &[]).retention;
    assert_eq!(said.days, RetentionDays { recordings: 30, transcripts: 90, logs: 7 });
    assert_eq!(said.exports, Duration::from_secs(24 * 3_600));
    check(
        "[retention]\nlogs_days = 5000\nexports_hours = 0",
        "retention.logs_days: 5000 is above 3650\nretention.exports_hours: 0 is below 1",
    );
}
