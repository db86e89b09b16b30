//! The section `[spend]`: what calls of ours may cost.

use actors::config::{AtCap, SpendConfig};

use super::reader::Section;
use super::trunk::beginning;

/// Prefixes with a price: a carrier's list of countries and networks has a few thousand. Each call is held against all of them.
const PRICES_MAX: usize = 8_192;
/// Of a minute, in millionths: a thousand of any currency.
const PRICE_MAX: i64 = 1_000_000_000;
/// Of an hour and of a day, in millionths: a billion of any currency.
const SPENT_MAX: i64 = 1_000_000_000_000_000;

pub(super) fn read_spend(mut section: Section<'_>) -> SpendConfig {
    let amount = |value: Option<i64>| value.and_then(|micros| u64::try_from(micros).ok());
    let hour_max = amount(section.optional_integer("hour_max_micros", 1..=SPENT_MAX));
    let day_max = amount(section.optional_integer("day_max_micros", 1..=SPENT_MAX));
    let at_cap = section.choice("at_cap", AtCap::End, &[("end", AtCap::End), ("go_on", AtCap::GoOn)]);
    let prices = read_prices(section.section("prices"));
    let spend = SpendConfig { prices, hour_max, day_max, at_cap };
    match spend.is_capped() {
        true if spend.prices.is_empty() => {
            section.refuse("prices", "must have the price of a minute (\"+49\" = 12000), or nobody can be called");
        }
        false if !spend.prices.is_empty() => {
            section.refuse("day_max_micros", "must be set, or hour_max_micros: prices alone cap nothing");
        }
        _ => {}
    }
    if spend.prices.len() > PRICES_MAX {
        section.refuse("prices", format!("{} are above {PRICES_MAX}", spend.prices.len()));
    }
    if let (Some(hour), Some(day)) = (hour_max, day_max)
        && hour > day
    {
        section.refuse("hour_max_micros", format!("{hour} is above day_max_micros, {day}"));
    }
    section.finish();
    spend
}

/// Prices by what numbers begin with, which the operator names.
fn read_prices(mut section: Section<'_>) -> Vec<(String, u64)> {
    let prefixes = section.names();
    let mut prices = Vec::new();
    for prefix in prefixes {
        let price = section.optional_integer(&prefix, 0..=PRICE_MAX);
        match beginning(&prefix) {
            Err(reason) => section.refuse(&prefix, reason),
            Ok(_) => prices.extend(price.and_then(|price| u64::try_from(price).ok()).map(|price| (prefix, price))),
        }
    }
    section.finish();
    prices
}
