//! What calls of ours may cost: prices by prefix, and caps on an hour and a day.
//!
//! ```text
//! asked ── first minute within the caps? ──► its price is held back ──► answered: the started minute is owed
//!              └── no: refused                                             ├── 30 s before its end: the next one within the caps?
//!                                                                          │       ├── yes: its price is held back
//!                                                                          │       └── no: the agent takes leave
//!                                                                          └── ended: what is held back is free again
//! ```
//! Started minutes are counted, as the dearest of carriers' bills do. A call that is never answered costs nothing. Pure: time is an
//! argument. Spent minutes are the clock's on the wall, so that they can be taken up after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store::SpentMinute;

/// Minutes of the longest cap.
const DAY: u64 = 24 * 60;
const HOUR: u64 = 60;

/// What is billed as one.
const UNIT: Duration = Duration::from_secs(60);

/// How long before the end of a minute the next one is asked for: what a goodbye may take.
const AHEAD: Duration = Duration::from_secs(30);

/// Prices and caps. Amounts are millionths of the operator's currency.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SpendConfig {
    /// Of a minute, by what numbers begin with; the longest that fits counts.
    pub prices: Vec<(String, u64)>,
    /// In any 60 minutes; `None`: no cap.
    pub hour_max: Option<u64>,
    /// In any 24 hours; `None`: no cap.
    pub day_max: Option<u64>,
    /// What becomes of calls that are up when a cap is reached.
    pub at_cap: AtCap,
}

/// What becomes of calls that are up when a cap is reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AtCap {
    /// The agent takes leave: the calls that a thief has up are what costs.
    #[default]
    End,
    /// They go on; only new ones are refused.
    GoOn,
}

impl SpendConfig {
    /// Whether there is any cap.
    pub fn is_capped(&self) -> bool {
        self.hour_max.is_some() || self.day_max.is_some()
    }
}

/// Why a call of ours cannot be paid for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unaffordable {
    /// The cap of a day.
    #[error("the cap on spending of a day is reached (spend.day_max_micros)")]
    Day,
    /// The cap of an hour.
    #[error("the cap on spending of an hour is reached (spend.hour_max_micros)")]
    Hour,
    /// Nobody knows what it would cost.
    #[error("has no price (spend.prices), and spending is capped")]
    NoPrice,
}

impl Unaffordable {
    /// The `reason` label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Day => "spend_day",
            Self::Hour => "spend_hour",
            Self::NoPrice => "spend_no_price",
        }
    }

    /// When it is worth trying again: the caps are on the last 60 minutes and 24 hours, so there is room little by little.
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Day => Duration::from_secs(3600),
            Self::Hour | Self::NoPrice => Duration::from_secs(300),
        }
    }
}

/// What one call costs.
#[derive(Debug)]
pub struct Fare {
    /// Of a minute.
    price: u64,
    /// Minutes that are counted.
    paid: u32,
    /// The next minute's price is held back.
    held: bool,
    /// It was told to end.
    ended: bool,
}

impl Fare {
    /// What the call has cost so far.
    pub fn cost(&self) -> u64 {
        self.price.saturating_mul(u64::from(self.paid))
    }
}

/// When a call of ours talks: written by the call, read by who counts.
#[derive(Debug, Default)]
pub struct Talk {
    answered: OnceLock<Instant>,
    ended: OnceLock<Instant>,
}

impl Talk {
    /// The callee picked up.
    pub fn answer(&self, now: Instant) {
        let _already = self.answered.set(now);
    }

    /// The call is over.
    pub fn end(&self, now: Instant) {
        let _already = self.ended.set(now);
    }

    /// How long it has lasted; `None` before the answer.
    pub fn lasted(&self, now: Instant) -> Option<Duration> {
        let answered = *self.answered.get()?;
        Some(self.ended.get().copied().unwrap_or(now).saturating_duration_since(answered))
    }
}

/// What was spent on this node in the last day, and what is held back.
#[derive(Debug)]
pub struct Purse {
    config: SpendConfig,
    /// Micros by minutes since 1970.
    spent: BTreeMap<u64, u64>,
    held: u64,
    /// Minutes that are to be written down.
    changed: BTreeSet<u64>,
}

/// The first minute since 1970 that a cap still asks for.
pub fn first_minute(now: SystemTime) -> u64 {
    minute(now).saturating_sub(DAY - 1)
}

impl Purse {
    /// One that has spent this before.
    pub fn new(config: SpendConfig, spent: impl IntoIterator<Item = SpentMinute>) -> Self {
        let spent = spent.into_iter().map(|spent| (spent.minute, spent.micros)).collect();
        Self { config, spent, held: 0, changed: BTreeSet::new() }
    }

    /// Holds the first minute of a call to this number back; `None` where nothing is capped.
    ///
    /// # Errors
    /// Why there is no money for it.
    pub fn admit(&mut self, now: SystemTime, number: &str) -> Result<Option<Fare>, Unaffordable> {
        if !self.config.is_capped() {
            return Ok(None);
        }
        let fits = self.config.prices.iter().filter(|(prefix, _)| number.starts_with(prefix));
        let (_, price) = *fits.max_by_key(|(prefix, _)| prefix.len()).ok_or(Unaffordable::NoPrice)?;
        self.hold(now, price)?;
        Ok(Some(Fare { price, paid: 0, held: true, ended: false }))
    }

    /// Counts what a call owes that has lasted so long. True when it is to be ended, once: there is no money for its next minute.
    pub fn charge(&mut self, now: SystemTime, fare: &mut Fare, lasted: Duration) -> bool {
        let started = u32::try_from(lasted.as_secs() / UNIT.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        while fare.paid < started {
            self.release(fare);
            fare.paid += 1;
            let minute = minute(now);
            *self.spent.entry(minute).or_default() += fare.price;
            self.changed.insert(minute);
        }
        let near = lasted + AHEAD >= UNIT * fare.paid;
        if self.config.at_cap == AtCap::GoOn || fare.held || fare.ended || !near {
            return false;
        }
        fare.held = self.hold(now, fare.price).is_ok();
        fare.ended = !fare.held;
        fare.ended
    }

    /// Gives back what is held for a call that is over.
    pub fn release(&mut self, fare: &mut Fare) {
        if std::mem::take(&mut fare.held) {
            self.held -= fare.price;
        }
    }

    /// What is to be written down since it was asked last.
    pub fn take_changed(&mut self) -> Vec<SpentMinute> {
        let changed = std::mem::take(&mut self.changed);
        let spent = |minute| self.spent.get(&minute).map(|micros| SpentMinute { minute, micros: *micros });
        changed.into_iter().filter_map(spent).collect()
    }

    /// Spent in the last hour, and in the last day.
    pub fn totals(&mut self, now: SystemTime) -> (u64, u64) {
        self.spent = self.spent.split_off(&first_minute(now));
        let since = |minutes: u64| self.spent.range((minute(now) + 1).saturating_sub(minutes)..).map(|(_, micros)| micros).sum();
        (since(HOUR), since(DAY))
    }

    fn hold(&mut self, now: SystemTime, price: u64) -> Result<(), Unaffordable> {
        let (hour, day) = self.totals(now);
        let above = |spent: u64, max: Option<u64>| max.is_some_and(|max| spent.saturating_add(self.held + price) > max);
        match price {
            // Costs nothing, so nothing forbids it.
            0 => {}
            _ if above(day, self.config.day_max) => return Err(Unaffordable::Day),
            _ if above(hour, self.config.hour_max) => return Err(Unaffordable::Hour),
            _ => {}
        }
        self.held += price;
        Ok(())
    }
}

fn minute(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60
}

#[cfg(test)]
mod tests;
