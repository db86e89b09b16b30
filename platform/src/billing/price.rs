//! What usage costs: numbers in, numbers out. All of them are whole.

use std::collections::BTreeMap;
use std::time::Duration;

use store::{CallUsage, Charge, InvoiceItem, InvoiceLine, Meter, MonthState, MonthTotal, MonthUsage, Plan, Threshold};

/// Any provider that has no price of its own.
pub const ANY: &str = "*";

/// The most that one line of a call costs, in millionths: a billion of any currency. What a provider reports is not ours to believe.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// The most that one line of a call counts.
const QUANTITY_MAX: u64 = 1_000_000_000_000;

/// The stage of what is counted of the conversation, and not of a provider.
const CONVERSATION: &str = "conversation";

/// What `quantity` costs at `price_micros` for each `per`, in millionths, a half rounded up. This is the one place where anything is
/// rounded: once for each line of each call. What is above are sums.
#[must_use]
pub fn amount(quantity: u64, per: u64, price_micros: u64) -> u64 {
    let per = u128::from(per.max(1));
    let exact = u128::from(quantity) * u128::from(price_micros);
    let rounded = exact / per + u128::from(2 * (exact % per) >= per);
    u64::try_from(rounded).unwrap_or(AMOUNT_MAX).min(AMOUNT_MAX)
}

/// What a call is charged by a plan, of whose allowance so much is used in this month; without a plan it costs nothing.
#[must_use]
pub fn charges(plan: Option<&Plan>, free_used: &BTreeMap<Meter, u64>, usage: &CallUsage) -> Vec<Charge> {
    let mut left: BTreeMap<Meter, u64> = plan.map(|plan| plan.allowance.clone()).unwrap_or_default();
    for (meter, free) in &mut left {
        *free = free.saturating_sub(free_used.get(meter).copied().unwrap_or(0));
    }
    let charge = |(meter, stage, provider, quantity): (Meter, String, String, u64)| {
        let free = left.get(&meter).copied().unwrap_or(0).min(quantity);
        left.entry(meter).and_modify(|left| *left -= free);
        let (per, price_micros) = (meter.per(), plan.map_or(0, |plan| price(plan, meter, &provider)));
        let amount_micros = amount(quantity - free, per, price_micros);
        Charge { meter, stage, provider, quantity, free, per, price_micros, amount_micros }
    };
    let bounded =
        |(meter, stage, provider, quantity): (Meter, String, String, u64)| (meter, stage, provider, quantity.min(QUANTITY_MAX));
    counted(usage).into_iter().filter(|(.., quantity)| *quantity > 0).map(bounded).map(charge).collect()
}

/// What a call used, in the order in which an allowance is used up.
fn counted(usage: &CallUsage) -> Vec<(Meter, String, String, u64)> {
    let talked = usage.answered_at.map_or(Duration::ZERO, |from| usage.last_seen_at.unwrap_or(usage.ended_at).since(from));
    let (direction, leg) = (usage.direction.as_str().to_owned(), usage.leg.as_str().to_owned());
    let mut counted = vec![
        (Meter::Seconds, direction, leg, begun_seconds(talked)),
        (Meter::Turns, CONVERSATION.to_owned(), usage.engine.clone(), usage.turns),
    ];
    for used in &usage.used {
        for (meter, quantity) in [
            (Meter::InputTokens, used.input_tokens),
            (Meter::OutputTokens, used.output_tokens),
            (Meter::Characters, used.characters),
            (Meter::TranscribedSeconds, begun_seconds(used.transcribed)),
        ] {
            counted.push((meter, used.stage.clone(), used.provider.clone(), quantity));
        }
    }
    counted
}

fn begun_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The price of a provider, or else that of any.
fn price(plan: &Plan, meter: Meter, provider: &str) -> u64 {
    let of = |provider: &str| plan.prices.iter().find(|price| price.meter == meter && price.provider == provider);
    of(provider).or_else(|| of(ANY)).map_or(0, |price| price.micros)
}

/// The lower of two limits.
#[must_use]
pub fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Limits that a month has reached with these charges, or before, and that were not told.
#[must_use]
pub fn reached(plan: Option<&Plan>, state: &MonthState, charges: &[Charge]) -> Vec<Threshold> {
    let amount: u64 = charges.iter().map(|charge| charge.amount_micros).sum::<u64>() + state.amount_micros;
    let own = &state.subscription;
    let soft = lower(own.soft_limit_micros, plan.and_then(|plan| plan.soft_limit_micros));
    let hard = lower(own.hard_limit_micros, plan.and_then(|plan| plan.hard_limit_micros));
    let limits = [("soft", soft), ("hard", hard)].into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    let news = limits.filter(|(name, limit)| amount >= *limit && !state.told.iter().any(|told| told == name));
    news.map(|(name, limit_micros)| Threshold { name, limit_micros }).collect()
}

/// The lines of a month's invoice: the fee of the plan, and what was used at each price. Nothing where nothing was.
#[must_use]
pub fn lines(plan: Option<&Plan>, usage: &MonthUsage) -> Vec<InvoiceLine> {
    let fee = plan.filter(|plan| plan.monthly_fee_micros > 0).map(|plan| InvoiceLine {
        item: InvoiceItem::MonthlyFee,
        provider: plan.name.clone(),
        quantity: 1,
        free: 0,
        per: 1,
        price_micros: plan.monthly_fee_micros,
        amount_micros: plan.monthly_fee_micros,
    });
    let used = usage.totals.iter().map(|total| {
        let MonthTotal { meter, provider, per, price_micros, quantity, free, amount_micros } = total.clone();
        InvoiceLine { item: InvoiceItem::Usage(meter), provider, quantity, free, per, price_micros, amount_micros }
    });
    fee.into_iter().chain(used).collect()
}

#[cfg(test)]
mod tests;
