//! `[spend]`: prices and caps in, the mistakes or the values out.

use actors::config::{AtCap, SpendConfig};

use super::{check, load};

#[test]
fn prices_and_caps_are_read() {
    assert_eq!(load("", &[]).spend, SpendConfig::default());
    let spend =
        load("[spend]\nday_max_micros = 50_000_000_000\nat_cap = \"go_on\"\n[spend.prices]\n\"+49\" = 12_000\n0800 = 0", &[])
            .spend;
    assert_eq!((spend.hour_max, spend.day_max, spend.at_cap), (None, Some(50_000_000_000), AtCap::GoOn));
    assert_eq!(spend.prices, [("+49".to_owned(), 12_000), ("0800".to_owned(), 0)]);
}

#[test]
fn what_caps_nothing_is_refused() {
    let nobody = "spend.prices: must have the price of a minute (\"+49\" = 12000), or nobody can be called";
    check("[spend]\nday_max_micros = 1", nobody);
    check("[spend]\nday_max_micros = 0", "spend.day_max_micros: 0 is below 1");
    check("[spend.prices]\n1 = 1", "spend.day_max_micros: must be set, or hour_max_micros: prices alone cap nothing");
    let prices = "[spend.prices]\n1 = 1";
    check(
        &format!("[spend]\nhour_max_micros = 2\nday_max_micros = 1\n{prices}"),
        "spend.hour_max_micros: 2 is above day_max_micros, 1",
    );
    check(
        &format!("[spend]\nday_max_micros = 1\n{prices}\n\"+ 4\" = 1\n2 = -1\n3 = \"x\""),
        "spend.prices.+ 4: \"+ 4\" begins no number (+49, 00)\n\
         spend.prices.2: -1 is below 0\n\
         spend.prices.3: \"x\" is not a whole number",
    );
}
