//! Who charges usage, and whom of it a payment service is told.

use std::sync::Arc;

use actors::node::NodeHandle;
use platform::billing::{Billing, BillingPort, Stripe, StripeConfig};
use store::Store;

use super::Clients;
use crate::config::Config;

/// Over the records; the calls of the node read who is over the limit.
pub(super) fn billing(config: &Config, database: &Store, clients: &Clients, node: &NodeHandle) -> Billing {
    let port = config.billing.stripe.as_ref().map(|stripe| {
        let config = StripeConfig {
            base_url: stripe.base_url.as_str().to_owned(),
            api_key: stripe.api_key.expose().into(),
            event_prefix: stripe.event_prefix.clone(),
            return_url: stripe.return_url.as_ref().map(|url| url.as_str().to_owned()),
        };
        Arc::new(Stripe::new(config, clients.guard.clone())) as Arc<dyn BillingPort>
    });
    Billing::new(database.clone(), &config.billing.currency, port, Arc::clone(&node.shared.over_limit))
}
