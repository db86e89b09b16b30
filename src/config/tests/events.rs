//! `[events]` and `[webhooks]`.

use std::time::Duration;

use ai::net::guard::Reach;

use super::{check, load};

#[test]
fn how_long_and_for_whom_what_happens_is_kept() {
    let config = load("[events]\nkeep_days = 30\nreaders_per_organization = 5\n[webhooks]\nallow_private_urls = true", &[]);
    assert_eq!((config.events.kept.age, config.events.kept.count), (Duration::from_secs(30 * 86_400), 1_000_000));
    assert_eq!((config.events.readers.of_organization, config.events.readers.in_all), (5, 256));
    assert_eq!((config.webhooks.reach, load("", &[]).webhooks.reach), (Reach::Private, Reach::Public));
    check("[events]\nkeep_days = 0\nreaders = 5000", "events.keep_days: 0 is below 1\nevents.readers: 5000 is above 1000");
}
