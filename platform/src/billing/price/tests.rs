//! Prices, allowances, limits and sums.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use store::{CallId, Direction, LegKind, OrganizationId, Price, ProviderUsage, Subscription, WallTime};

use super::*;

fn plan(prices: &[(Meter, &str, u64)], allowance: &[(Meter, u64)]) -> Plan {
    let price = |(meter, provider, micros): &(Meter, &str, u64)| Price {
        meter: *meter,
        provider: (*provider).to_owned(),
        micros: *micros,
    };
    Plan {
        name: "standard".to_owned(),
        title: "Standard".to_owned(),
        is_open: true,
        monthly_fee_micros: 5_000_000,
        soft_limit_micros: None,
        hard_limit_micros: None,
        prices: prices.iter().map(price).collect(),
        allowance: allowance.iter().copied().collect(),
        version: 1,
        created_at: WallTime::from_micros(0),
        updated_at: WallTime::from_micros(0),
    }
}

fn call(talked: Duration, turns: u64, used: Vec<ProviderUsage>) -> CallUsage {
    let answered_at = WallTime::from_micros(1_000_000);
    CallUsage {
        call: CallId::generate(),
        organization: OrganizationId::operator(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        engine: "cascade".to_owned(),
        answered_at: Some(answered_at),
        ended_at: WallTime::from_micros(answered_at.micros() + talked.as_micros() as i64),
        last_seen_at: None,
        turns,
        used,
    }
}

fn used(stage: &str, provider: &str) -> ProviderUsage {
    ProviderUsage { stage: stage.to_owned(), provider: provider.to_owned(), ..ProviderUsage::default() }
}

fn state(amount_micros: u64) -> MonthState {
    let subscription = Subscription {
        organization: OrganizationId::operator(),
        plan: "standard".to_owned(),
        soft_limit_micros: None,
        hard_limit_micros: None,
        customer: None,
        version: 1,
    };
    let month = store::BillingMonth::of(WallTime::from_micros(0));
    MonthState { subscription, month, amount_micros, free_used: BTreeMap::new(), told: Vec::new(), version: 0 }
}

fn shown(charges: &[Charge]) -> String {
    let one = |charge: &Charge| {
        let Charge { meter, stage, provider, quantity, free, per, price_micros, amount_micros } = charge;
        format!("{meter} {stage} {provider}: {quantity}-{free} at {price_micros}/{per} = {amount_micros}")
    };
    charges.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_half_is_rounded_up_and_nothing_else_is() {
    for (quantity, per, price, expected) in [
        (0, 60, 10_000, 0),
        (60, 60, 10_000, 10_000),
        (1, 60, 10_000, 167),
        (1, 1_000, 1, 0),
        (499, 1_000, 1, 0),
        (500, 1_000, 1, 1),
        (1_500, 1_000, 1, 2),
        (7, 0, 3, 21),
        (u64::MAX, 1, 2, AMOUNT_MAX),
        (u64::MAX, 1_000, u64::MAX, AMOUNT_MAX),
    ] {
        assert_eq!(amount(quantity, per, price), expected, "{quantity} at {price} for {per}");
    }
}

#[test]
fn a_call_is_charged_by_provider_and_else_by_any() {
    let plan = plan(
        &[
            (Meter::Seconds, ANY, 12_000),
            (Meter::OutputTokens, "openai", 10_000),
            (Meter::OutputTokens, ANY, 20_000),
            (Meter::Characters, "cartesia", 50_000),
        ],
        &[],
    );
    let model = |provider| ProviderUsage { input_tokens: 900, output_tokens: 100, ..used("model", provider) };
    let voice = ProviderUsage { characters: 250, ..used("voice", "cartesia") };
    let ears = ProviderUsage { transcribed: Duration::from_millis(2_001), ..used("transcriber", "deepgram") };
    let usage = call(Duration::from_millis(61_001), 3, vec![model("openai"), model("groq"), voice, ears]);
    let expected = "seconds inbound sip: 62-0 at 12000/60 = 12400
turns conversation cascade: 3-0 at 0/1 = 0
input_tokens model openai: 900-0 at 0/1000 = 0
output_tokens model openai: 100-0 at 10000/1000 = 1000
input_tokens model groq: 900-0 at 0/1000 = 0
output_tokens model groq: 100-0 at 20000/1000 = 2000
characters voice cartesia: 250-0 at 50000/1000 = 12500
transcribed_seconds transcriber deepgram: 3-0 at 0/60 = 0";
    assert_eq!(shown(&charges(Some(&plan), &BTreeMap::new(), &usage)), expected);
    assert!(charges(None, &BTreeMap::new(), &usage).iter().all(|charge| charge.amount_micros == 0));
}

#[test]
fn an_allowance_is_used_up_first_and_never_twice() {
    let plan = plan(&[(Meter::Seconds, ANY, 60)], &[(Meter::Seconds, 100)]);
    let of = |used: u64, seconds: u64| {
        let usage = call(Duration::from_secs(seconds), 0, Vec::new());
        shown(&charges(Some(&plan), &BTreeMap::from([(Meter::Seconds, used)]), &usage))
    };
    assert_eq!(of(0, 90), "seconds inbound sip: 90-90 at 60/60 = 0");
    assert_eq!(of(90, 90), "seconds inbound sip: 90-10 at 60/60 = 80");
    assert_eq!(of(100, 5), "seconds inbound sip: 5-0 at 60/60 = 5");
    // The allowance was made smaller meanwhile.
    assert_eq!(of(400, 5), "seconds inbound sip: 5-0 at 60/60 = 5");
}

#[test]
fn a_call_that_was_lost_with_its_node_is_charged_as_far_as_it_was_seen() {
    let mut usage = call(Duration::from_secs(7_200), 0, Vec::new());
    usage.last_seen_at = Some(WallTime::from_micros(31_000_000));
    assert_eq!(shown(&charges(None, &BTreeMap::new(), &usage)), "seconds inbound sip: 30-0 at 0/60 = 0");
    usage.answered_at = None;
    assert!(charges(None, &BTreeMap::new(), &usage).is_empty());
}

#[test]
fn a_limit_is_told_when_it_is_reached_and_once() {
    let mut plan = plan(&[(Meter::Seconds, ANY, 60)], &[]);
    (plan.soft_limit_micros, plan.hard_limit_micros) = (Some(50), Some(100));
    let charges = charges(Some(&plan), &BTreeMap::new(), &call(Duration::from_secs(10), 0, Vec::new()));
    let of = |state: &MonthState| {
        let reached = reached(Some(&plan), state, &charges);
        reached.iter().map(|one| format!("{} {}", one.name, one.limit_micros)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of(&state(39)), "");
    assert_eq!(of(&state(40)), "soft 50");
    assert_eq!(of(&state(95)), "soft 50, hard 100");
    let mut told = state(95);
    told.told = vec!["soft".to_owned()];
    assert_eq!(of(&told), "hard 100");
    // One's own limits lower those of the plan and never raise them.
    let mut own = state(0);
    (own.subscription.soft_limit_micros, own.subscription.hard_limit_micros) = (Some(10), Some(1_000));
    assert_eq!(of(&own), "soft 10");
}

#[test]
fn a_month_without_anything_has_no_lines() {
    let mut plan = plan(&[], &[]);
    assert_eq!(lines(Some(&plan), &MonthUsage::default()).len(), 1);
    plan.monthly_fee_micros = 0;
    assert!(lines(Some(&plan), &MonthUsage::default()).is_empty());
    assert!(lines(None, &MonthUsage::default()).is_empty());
}

/// Adds charges to a month as the records do.
fn add(month: &mut MonthUsage, charges: &[Charge]) {
    month.calls += 1;
    for charge in charges {
        month.amount_micros += charge.amount_micros;
        let same = |total: &&mut MonthTotal| {
            (total.meter, &total.provider, total.price_micros) == (charge.meter, &charge.provider, charge.price_micros)
        };
        match month.totals.iter_mut().find(same) {
            Some(total) => {
                total.quantity += charge.quantity;
                total.free += charge.free;
                total.amount_micros += charge.amount_micros;
            }
            None => month.totals.push(MonthTotal {
                meter: charge.meter,
                provider: charge.provider.clone(),
                per: charge.per,
                price_micros: charge.price_micros,
                quantity: charge.quantity,
                free: charge.free,
                amount_micros: charge.amount_micros,
            }),
        }
    }
}

prop_compose! {
    fn any_call()(ms in 0_u64..4_000_000, turns in 0_u64..200, tokens in 0_u64..100_000, characters in 0_u64..50_000, other in any::<bool>())
        -> CallUsage
    {
        let provider = if other { "groq" } else { "openai" };
        let model = ProviderUsage { input_tokens: tokens, output_tokens: tokens / 3, ..used("model", provider) };
        let voice = ProviderUsage { characters, ..used("voice", "cartesia") };
        call(Duration::from_millis(ms), turns, vec![model, voice])
    }
}

proptest! {
    #[test]
    fn lines_add_up_exactly(
        calls in proptest::collection::vec(any_call(), 1..40),
        seconds in 0_u64..1_000_000, tokens in 0_u64..1_000_000, groq in 0_u64..1_000_000, characters in 0_u64..1_000_000,
        free_seconds in 0_u64..20_000, free_tokens in 0_u64..500_000,
    ) {
        let prices =
            [(Meter::Seconds, ANY, seconds), (Meter::OutputTokens, ANY, tokens), (Meter::OutputTokens, "groq", groq), (Meter::Characters, ANY, characters)];
        let plan = plan(&prices, &[(Meter::Seconds, free_seconds), (Meter::OutputTokens, free_tokens)]);
        let (mut month, mut of_calls) = (MonthUsage::default(), 0);
        for usage in &calls {
            let mut free_used = BTreeMap::new();
            for total in &month.totals {
                *free_used.entry(total.meter).or_default() += total.free;
            }
            let charges = charges(Some(&plan), &free_used, usage);
            of_calls += charges.iter().map(|charge| charge.amount_micros).sum::<u64>();
            add(&mut month, &charges);
        }
        let lines = lines(Some(&plan), &month);
        let total: u64 = lines.iter().map(|line| line.amount_micros).sum();
        prop_assert_eq!(total, of_calls + plan.monthly_fee_micros);
        prop_assert_eq!(month.amount_micros, of_calls);
        for (meter, free) in &plan.allowance {
            let of = |of: fn(&MonthTotal) -> u64| month.totals.iter().filter(|total| total.meter == *meter).map(of).sum::<u64>();
            prop_assert_eq!(of(|total| total.free), of(|total| total.quantity).min(*free));
        }
        // What rounding makes of all calls together: half a millionth for each line of each call at most.
        let exact: u128 = month.totals.iter().map(|total| u128::from(total.quantity - total.free) * u128::from(total.price_micros) * 60_000 / u128::from(total.per)).sum();
        let charged = u128::from(of_calls) * 60_000;
        prop_assert!(charged.abs_diff(exact) <= 30_000 * 8 * calls.len() as u128 + 60_000);
    }
}
