//! The trunks of a node, and what each Trunk actor publishes of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sip::keepalive::Health;

use super::TrunkMsg;
use super::config::TrunkConfig;
use super::route::{Asked, NoRoute, Route, route};
use crate::mailbox::Port;

/// All of them, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Trunks(Vec<Arc<TrunkEntry>>);

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
        let entry = |config| Arc::new(TrunkEntry { config: Arc::new(config), port: Port::default(), state: ArcSwap::default() });
        Self(trunks.into_iter().map(entry).collect())
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<TrunkEntry>> {
        self.0.iter().find(|entry| &*entry.config.name == name)
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
    pub fn find_route(&self, asked: &Asked<'_>) -> Result<(&Arc<TrunkEntry>, Route), NoRoute> {
        let mut refused: Option<(&TrunkEntry, NoRoute)> = None;
        for entry in self.0.iter().filter(|entry| !entry.config.allowed_prefixes.is_empty()) {
            match route(&entry.config, &entry.state().health, asked, &mut rand::rng()) {
                Ok(route) => return Ok((entry, route)),
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

    /// The one at this place.
    pub fn get(&self, index: usize) -> Option<&Arc<TrunkEntry>> {
        self.0.get(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TrunkEntry>> + Clone {
        self.0.iter()
    }
}

impl TrunkEntry {
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
