//! The trunks of a node, and what each Trunk actor publishes of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sip::keepalive::Health;

use super::TrunkMsg;
use super::config::TrunkConfig;
use super::route::{Asked, NoRoute, Route, route};
use crate::mailbox::Port;

/// All of them, in the order of the configuration; swapped whole when that changes.
#[derive(Debug, Default)]
pub struct Trunks(ArcSwap<Vec<Arc<TrunkEntry>>>);

/// One trunk, as others see it.
#[derive(Debug)]
pub struct TrunkEntry {
    /// As the operator wrote it.
    pub config: Arc<TrunkConfig>,
    /// The Trunk actor of today.
    pub port: Port<TrunkMsg>,
    state: ArcSwap<TrunkState>,
}

/// What a Trunk actor knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrunkState {
    /// Whether the registrar leads calls to us; `None`: none is asked to.
    pub registered: Option<bool>,
    /// Of the targets, in their order; one that is not there is not known.
    pub health: Vec<Health>,
}

impl Trunks {
    /// Trunks of which nothing is known yet.
    pub fn new(trunks: Vec<TrunkConfig>) -> Self {
        Self(ArcSwap::from_pointee(trunks.into_iter().map(TrunkEntry::new).collect()))
    }

    /// All of them as they are now.
    pub fn all(&self) -> Arc<Vec<Arc<TrunkEntry>>> {
        self.0.load_full()
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<Arc<TrunkEntry>> {
        self.0.load().iter().find(|entry| &*entry.config.name == name).cloned()
    }

    /// Has these from now on; one that is the same stays what it was. Answers those that are new, and those that are there no more.
    pub(crate) fn replace(&self, trunks: Vec<TrunkConfig>) -> (Vec<Arc<TrunkEntry>>, Vec<Arc<TrunkEntry>>) {
        let before = self.all();
        let mut added = Vec::new();
        let mut now = Vec::with_capacity(trunks.len());
        for config in trunks {
            match before.iter().find(|entry| *entry.config == config) {
                Some(entry) => now.push(Arc::clone(entry)),
                None => {
                    let entry = TrunkEntry::new(config);
                    added.push(Arc::clone(&entry));
                    now.push(entry);
                }
            }
        }
        let gone = before.iter().filter(|entry| !now.iter().any(|other| Arc::ptr_eq(entry, other))).cloned().collect();
        self.0.store(Arc::new(now));
        (added, gone)
    }

    /// Whether this one is still there.
    pub(crate) fn has(&self, entry: &Arc<TrunkEntry>) -> bool {
        self.0.load().iter().any(|other| Arc::ptr_eq(entry, other))
    }

    /// The way of a call of ours over the trunk of this name, as its targets are now. Its channels and rates are Calls' to look at.
    ///
    /// # Errors
    /// What forbids it, which is counted.
    pub fn route(&self, name: &str, asked: &Asked<'_>) -> Result<Route, NoRoute> {
        let entry = self.find(name).ok_or(NoRoute::UnknownTrunk)?;
        route(&entry.config, &entry.state().health, asked, &mut rand::rng())
            .inspect_err(|reason| entry.config.count_refused(reason.label()))
    }

    /// The same over the first trunk that permits it, in the order of the configuration. An emergency number of any of them is not called.
    ///
    /// # Errors
    /// What forbids it: what the last one says, unless another says more than that such numbers are not its own.
    pub fn find_route(&self, asked: &Asked<'_>) -> Result<(Arc<TrunkEntry>, Route), NoRoute> {
        let mut refused: Option<(&TrunkEntry, NoRoute)> = None;
        let all = self.all();
        for entry in all.iter().filter(|entry| !entry.config.allowed_prefixes.is_empty()) {
            match route(&entry.config, &entry.state().health, asked, &mut rand::rng()) {
                Ok(route) => return Ok((Arc::clone(entry), route)),
                Err(reason) => {
                    if refused.is_none_or(|(_, before)| before == NoRoute::PrefixNotAllowed) {
                        refused = Some((entry, reason));
                    }
                    if reason == NoRoute::Emergency {
                        refused = Some((entry, reason));
                        break;
                    }
                }
            }
        }
        let (entry, reason) = refused.ok_or(NoRoute::NoTrunk)?;
        entry.config.count_refused(reason.label());
        Err(reason)
    }
}

impl TrunkEntry {
    fn new(config: TrunkConfig) -> Arc<Self> {
        Arc::new(Self { config: Arc::new(config), port: Port::default(), state: ArcSwap::default() })
    }

    /// What is known of it now.
    pub fn state(&self) -> Arc<TrunkState> {
        self.state.load_full()
    }

    pub(super) fn publish(&self, state: TrunkState) {
        self.state.store(Arc::new(state));
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::TrunkTarget;
    use super::super::tests::trunk;
    use super::*;

    #[test]
    fn what_is_the_same_stays_and_the_rest_comes_and_goes() {
        let trunks = Trunks::new(vec![trunk("a"), trunk("b")]);
        let before = trunks.all();
        let mut other = trunk("b");
        other.user = "another".to_owned();
        let (added, gone) = trunks.replace(vec![trunk("c"), trunk("a"), other]);
        let names =
            |list: &[Arc<TrunkEntry>]| list.iter().map(|entry| entry.config.name.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!((names(&added), names(&gone), names(&trunks.all())), ("c b".to_owned(), "b".to_owned(), "c a b".to_owned()));
        assert!(Arc::ptr_eq(&before[0], &trunks.all()[1]) && trunks.has(&before[0]) && !trunks.has(&before[1]));
    }

    #[test]
    fn a_route_is_of_the_trunk_as_it_is_now() {
        let mut carrier = trunk("carrier");
        carrier.allowed_prefixes = vec!["+49".to_owned()];
        carrier.targets = vec![TrunkTarget { uri: "sip:c.example".parse().expect("a URI"), priority: 1, weight: 1 }];
        let trunks = Trunks::new(vec![trunk("other"), carrier]);
        let asked = Asked { to: "+49301", ..Asked::default() };
        assert_eq!(trunks.route("nobody", &asked).map(drop), Err(NoRoute::UnknownTrunk));
        assert_eq!(trunks.route("other", &asked).map(drop), Err(NoRoute::PrefixNotAllowed));
        assert_eq!(trunks.route("carrier", &asked).map(|route| route.hops.len()), Ok(1));
        let entry = trunks.find("carrier").expect("it is there");
        entry.publish(TrunkState { registered: None, health: vec![Health::Down] });
        assert_eq!(trunks.route("carrier", &asked).map(drop), Err(NoRoute::TargetsDown));
    }
}
