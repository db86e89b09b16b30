//! A whole world of campaigns in virtual time: people who are busy, away or at home, nodes that die, clocks that change. Whatever
//! happens, no rule is broken.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use store::{
    Campaign, CampaignId, CampaignStatus, Contact, ContactId, ContactNext, ContactOutcome, ContactState, OrganizationId,
    PhoneNumber, Pulse, Transcript, WallTime,
};

use super::plan::{later, plan};
use super::settings::Settings;
use super::window::{Opening, opening};
use super::{phone, retry};

const SECOND: Duration = Duration::from_secs(1);
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo"];

/// What the store keeps, without its tables.
struct World {
    random: StdRng,
    now: WallTime,
    settings: Settings,
    campaign: Campaign,
    contacts: Vec<Contact>,
    before: HashMap<ContactId, Vec<ContactOutcome>>,
    /// Calls that are up: who, and until when.
    up: Vec<(usize, WallTime)>,
    forbidden: BTreeSet<String>,
    /// Each dial: when, and to whom.
    dials: Vec<(WallTime, usize)>,
}

fn time(text: &str) -> WallTime {
    text.parse().unwrap()
}

fn campaign(settings: &Settings, now: WallTime) -> Campaign {
    let wish = settings.wish("spring".to_owned());
    Campaign {
        id: CampaignId::generate(),
        organization: OrganizationId::operator(),
        name: wish.name,
        settings: wish.settings,
        status: CampaignStatus::Running,
        status_why: None,
        concurrency: wish.concurrency,
        gap: wish.gap,
        dialed_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
        started_at: Some(now),
        finished_at: None,
    }
}

fn contact(place: usize, zone: &str, now: WallTime) -> Contact {
    Contact {
        id: ContactId::generate(),
        campaign: CampaignId::generate(),
        line: place as u32 + 2,
        phone: PhoneNumber::new(format!("+49301{place:04}")),
        zone: zone.to_owned(),
        variables: Transcript::new("{}"),
        state: ContactState::Pending,
        outcome: None,
        attempts: 0,
        due_at: now,
        updated_at: now,
    }
}

impl World {
    fn new(seed: u64, begin: &str, settings: &Value, people: usize) -> Self {
        let (now, settings) = (time(begin), Settings::read(settings).unwrap());
        let contacts = (0..people).map(|place| contact(place, ZONES[place % ZONES.len()], now)).collect();
        Self {
            random: StdRng::seed_from_u64(seed),
            now,
            campaign: campaign(&settings, now),
            settings,
            contacts,
            before: HashMap::new(),
            up: Vec::new(),
            forbidden: BTreeSet::new(),
            dials: Vec::new(),
        }
    }

    /// One claim, as the store makes it; true when there may be more to do now.
    fn claim(&mut self) -> bool {
        if self.campaign.status != CampaignStatus::Running {
            return false;
        }
        let mut due: Vec<usize> = (0..self.contacts.len()).filter(|place| self.is_due(*place)).collect();
        let forbidden: Vec<usize> =
            due.iter().copied().filter(|place| self.forbidden.contains(self.contacts[*place].phone.reveal())).collect();
        for place in &forbidden {
            (self.contacts[*place].state, self.contacts[*place].outcome) = (ContactState::Done, Some(ContactOutcome::DoNotCall));
        }
        due.retain(|place| !forbidden.contains(place));
        due.sort_by_key(|place| (self.contacts[*place].attempts == 0, self.contacts[*place].due_at, *place));
        due.truncate(8);
        let rows: Vec<Contact> = due.iter().map(|place| self.contacts[*place].clone()).collect();
        let pulse = Pulse { campaign: &self.campaign, under_way: self.up.len() as u32, due: &rows };
        let plan = plan(pulse, &self.settings.opening_hours(), self.now);
        for (zone, from) in &plan.closed {
            assert!(*from > self.now, "put off to the past");
            let now = self.now;
            let shut = self
                .contacts
                .iter_mut()
                .filter(|one| one.zone == *zone && one.state == ContactState::Pending && one.due_at <= now);
            shut.for_each(|one| one.due_at = *from);
        }
        if let Some(place) = plan.dial.map(|place| due[place]) {
            self.dial(place);
        }
        plan.dial.is_some() || !plan.closed.is_empty() || !forbidden.is_empty()
    }

    fn is_due(&self, place: usize) -> bool {
        self.contacts[place].state == ContactState::Pending && self.contacts[place].due_at <= self.now
    }

    /// Somebody is dialled: every rule is looked at here.
    fn dial(&mut self, place: usize) {
        let person = &self.contacts[place];
        assert!(!self.forbidden.contains(person.phone.reveal()), "on the list of those who are not called");
        let zone = TimeZone::get(&person.zone).unwrap();
        assert_eq!(opening(&self.settings.opening_hours(), &zone, self.now), Opening::Now, "outside a window of {}", person.zone);
        assert!(self.up.iter().all(|(other, _)| *other != place), "called while being called");
        assert!((self.up.len() as u32) < self.settings.concurrency, "more calls at once than there may be");
        let minute = self.dials.iter().filter(|(at, _)| self.now.since(*at) < Duration::from_secs(60)).count();
        assert!((minute as u32) < self.settings.calls_per_minute, "more calls in a minute than there may be");
        let person = &mut self.contacts[place];
        (person.state, person.attempts) = (ContactState::Dialing, person.attempts + 1);
        self.campaign.dialed_at = Some(self.now);
        self.dials.push((self.now, place));
        let rings = Duration::from_secs(self.random.random_range(1..90));
        self.up.push((place, later(self.now, rings)));
    }

    /// The calls that are over by now come to something.
    fn end_calls(&mut self, outcomes: &[ContactOutcome]) {
        let over: Vec<usize> = self.up.iter().filter(|(_, at)| *at <= self.now).map(|(place, _)| *place).collect();
        self.up.retain(|(_, at)| *at > self.now);
        for place in over {
            let outcome = outcomes[self.random.random_range(0..outcomes.len())];
            self.end(place, outcome);
        }
    }

    fn end(&mut self, place: usize, outcome: ContactOutcome) {
        let before = self.before.entry(self.contacts[place].id).or_default();
        let next = retry::next(&self.settings.rules(), before, outcome, self.now);
        before.push(outcome);
        let person = &mut self.contacts[place];
        person.outcome = Some(outcome);
        match next {
            ContactNext::Done => person.state = ContactState::Done,
            ContactNext::Again(at) => (person.state, person.due_at) = (ContactState::Pending, at),
        }
    }

    /// The node dies: what was up is unknown, and nobody is called again for it.
    fn lose_node(&mut self) {
        for (place, _) in std::mem::take(&mut self.up) {
            self.end(place, ContactOutcome::Unknown);
        }
    }

    fn steps(&mut self) {
        while self.claim() {}
    }

    fn is_over(&self) -> bool {
        self.contacts.iter().all(|one| one.state == ContactState::Done)
    }
}

fn settings() -> Value {
    json!({
        "assistant_id": "demo", "calls_per_minute": 20, "concurrency": 5,
        "windows": [
            { "days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "until": "12:00" },
            { "days": ["sat"], "from": "22:00", "until": "03:30" },
        ],
    })
}

/// Plays weeks around a change of clocks; every dial is held to every rule, and everybody comes to an end.
#[test]
fn no_rule_is_ever_broken_and_everybody_comes_to_an_end() {
    use ContactOutcome::{Busy, Declined, Failed, Human, NoAnswer, Voicemail};
    for (seed, begin) in
        [(1, "2026-03-27T05:00:00Z"), (2, "2026-10-23T20:00:00Z"), (3, "2026-11-01T00:00:00Z"), (4, "2026-12-30T11:59:00Z")]
    {
        let mut world = World::new(seed, begin, &settings(), 200);
        let deadline = later(world.now, Duration::from_secs(28 * 24 * 3600));
        while !world.is_over() {
            assert!(world.now < deadline, "seed {seed}: it never ends");
            world.end_calls(&[Busy, NoAnswer, Failed, Human, Human, Voicemail, Declined]);
            match world.random.random_range(0..2_000) {
                0 => world.lose_node(),
                1 => {
                    let place = world.random.random_range(0..world.contacts.len());
                    let phone = world.contacts[place].phone.reveal().to_owned();
                    world.forbidden.insert(phone);
                }
                2 => world.campaign.status = CampaignStatus::Paused,
                3..10 => world.campaign.status = CampaignStatus::Running,
                _ => {}
            }
            world.steps();
            // Quiet hours pass quickly.
            let idle = world.up.is_empty() && !(0..world.contacts.len()).any(|place| world.is_due(place));
            let step = if idle { Duration::from_secs(97) } else { SECOND };
            world.now = later(world.now, step);
        }
        for (place, person) in world.contacts.iter().enumerate() {
            let dials = world.dials.iter().filter(|(_, who)| *who == place).count();
            assert_eq!(dials, person.attempts as usize, "seed {seed}: {place}");
            let unknown = world.before.get(&person.id).into_iter().flatten().position(|one| *one == ContactOutcome::Unknown);
            assert!(unknown.is_none_or(|at| at + 1 == dials), "seed {seed}: called again though nobody knows what came of it");
        }
        assert!(world.dials.len() > 200, "seed {seed}: retries were made");
    }
}

/// The calls of the first minute, by second.
fn check(changed: &Value, people: usize, rings: u64, expected: &str) {
    let mut all = settings();
    all.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    let mut world = World::new(1, "2026-11-23T08:00:00Z", &all, 0);
    world.contacts = (0..people).map(|place| contact(place, "Europe/Berlin", world.now)).collect();
    let begin = world.now;
    for _ in 0..60 {
        world.end_calls(&[ContactOutcome::Human]);
        world.steps();
        for (_, until) in &mut world.up {
            *until = (*until).min(later(world.now, Duration::from_secs(rings)));
        }
        world.now = later(world.now, SECOND);
    }
    let dials: Vec<String> = world.dials.iter().map(|(at, _)| at.since(begin).as_secs().to_string()).collect();
    assert_eq!(dials.join(" "), expected);
}

#[test]
fn pace_is_even_and_concurrency_holds() {
    check(&json!({ "calls_per_minute": 6, "concurrency": 100 }), 100, 1, "0 10 20 30 40 50");
    check(&json!({ "calls_per_minute": 6, "concurrency": 100 }), 3, 1, "0 10 20");
    check(&json!({ "calls_per_minute": 600, "concurrency": 2 }), 4, 60, "0 1");
    check(&json!({ "windows": [{ "days": ["sun"], "from": "09:00", "until": "12:00" }] }), 4, 1, "");
}

#[test]
fn a_number_is_one_however_it_is_written() {
    let written = ["+49 30 123 45 67", "0049301234567", "(030) 1234567"];
    let numbers: BTreeSet<String> = written.iter().map(|one| phone::normalise(one, Some("+49")).unwrap()).collect();
    assert_eq!(numbers.len(), 1);
}
