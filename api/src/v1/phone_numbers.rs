//! `/api/v1/phone-numbers`: who answers a called number.

use super::resources::prelude::*;

/// A called number.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct PhoneNumber {
    /// The number or SIP user as callers dial it; one organization has it. Must be set.
    #[schema(min_length = 1, max_length = 64, example = "+4930123456")]
    number: Option<String>,
    /// Who answers. Must be set.
    #[schema(min_length = 1, max_length = 128)]
    assistant_id: Option<String>,
    /// The trunk that calls to it must come over; null: however they come.
    #[schema(min_length = 1, max_length = 128)]
    trunk_id: Option<String>,
    /// False: the number is refused as if it were unknown. Null is true.
    active: Option<bool>,
}

impl Fields for PhoneNumber {
    const KIND: ResourceKind = ResourceKind::PhoneNumber;
    const PATH: &'static str = "/api/v1/phone-numbers";
}

crud!(PhoneNumber, "phone-numbers", "/api/v1/phone-numbers", "/api/v1/phone-numbers/{id}");
