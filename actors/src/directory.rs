//! Who answers which number: one table that is swapped whole, so that a call reads it without a lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use store::OrganizationId;

use crate::config::Assistant;

/// Switched off, the organization's numbers answer nobody.
pub const INBOUND_FLAG: &str = "inbound_calls";
/// Switched off, no call of the organization is recorded, whatever its assistants say.
pub const RECORDING_FLAG: &str = "recording";

/// A called number or SIP user.
#[derive(Clone, Debug)]
pub struct NumberRow {
    /// Who answers; `None`: it is switched off.
    pub assistant: Option<Arc<Assistant>>,
    /// Whose it is, and so are its calls.
    pub organization: OrganizationId,
    /// It is answered only when the call comes over the trunk of this name; `None`: however it comes.
    pub trunk: Option<String>,
}

/// Called numbers and SIP users, and who answers them.
#[derive(Debug, Default)]
pub struct Directory {
    /// By number or SIP user, as peers send it.
    pub numbers: HashMap<String, NumberRow>,
    /// Who answers what no row names.
    pub default: Option<Arc<Assistant>>,
    /// All assistants: who may call.
    pub assistants: Vec<Arc<Assistant>>,
    /// What is on or off, by organization; what is not there has not been said.
    pub flags: HashMap<OrganizationId, BTreeMap<String, bool>>,
}

/// Who answers a call, and whose it is.
#[derive(Clone, Debug)]
pub struct Answering {
    /// `None`: nobody.
    pub assistant: Option<Arc<Assistant>>,
    /// The operator's, where no row says it.
    pub organization: OrganizationId,
}

impl Directory {
    /// Who answers `called` when it comes over the trunk of this name, if over one. `+49…` and `49…` are the same number; other users
    /// match to the letter.
    pub fn answering(&self, called: &str, trunk: Option<&str>) -> Answering {
        let row = self.numbers.get(called).or_else(|| match called.strip_prefix('+') {
            Some(digits) => self.numbers.get(digits),
            None => self.numbers.get(&format!("+{called}")),
        });
        match row {
            Some(row) => {
                let comes_right = row.trunk.as_deref().is_none_or(|wanted| trunk == Some(wanted));
                let takes_calls = self.flag(&row.organization, INBOUND_FLAG) != Some(false);
                let assistant = row.assistant.clone().filter(|_| comes_right && takes_calls);
                Answering { assistant, organization: row.organization.clone() }
            }
            None => Answering { assistant: self.default.clone(), organization: OrganizationId::operator() },
        }
    }

    /// The assistant of this name.
    pub fn named(&self, name: &str) -> Option<Arc<Assistant>> {
        self.assistants.iter().find(|assistant| assistant.name == name).cloned()
    }

    /// Whether something is on for an organization; `None`: nobody has said.
    pub fn flag(&self, organization: &OrganizationId, key: &str) -> Option<bool> {
        self.flags.get(organization)?.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trunk: Option<&str>) -> NumberRow {
        NumberRow { assistant: None, organization: OrganizationId::generate(), trunk: trunk.map(str::to_owned) }
    }

    #[test]
    fn a_call_is_its_number_s_organization_s_and_else_the_operator_s() {
        let (plain, bound) = (row(None), row(Some("carrier")));
        let numbers = [("+49301", &plain), ("alice", &bound)].map(|(number, row)| (number.to_owned(), row.clone()));
        let directory = Directory { numbers: numbers.into(), ..Directory::default() };
        let of = |called, trunk| directory.answering(called, trunk).organization;
        assert_eq!((of("+49301", None), of("49301", Some("other"))), (plain.organization.clone(), plain.organization));
        assert_eq!((of("alice", None), of("alice", Some("carrier"))), (bound.organization.clone(), bound.organization));
        assert!(of("Alice", None).is_operator() && of("", None).is_operator());
    }

    #[test]
    fn what_nobody_said_is_neither_on_nor_off() {
        let organization = OrganizationId::generate();
        let flags = [(organization.clone(), BTreeMap::from([("recording".to_owned(), false)]))];
        let directory = Directory { flags: flags.into(), ..Directory::default() };
        assert_eq!(directory.flag(&organization, "recording"), Some(false));
        assert_eq!(directory.flag(&organization, "other"), None);
        assert_eq!(directory.flag(&OrganizationId::operator(), "recording"), None);
    }
}
