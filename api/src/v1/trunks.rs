//! `/api/v1/trunks`: carriers. They are the operator's, and carry the calls of all.

use super::resources::prelude::*;

/// A trunk, as `[[trunks]]` of the file has it; certificates can be named in the file only. Passwords are in the environment of the
/// nodes: what is kept here is the name of the variable.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Trunk {
    /// What it is called in calls, metrics and records: 1-64 letters, digits, `-`, `_` and `.`; one in the database. Must be set.
    #[schema(min_length = 1, max_length = 64, example = "carrier")]
    name: Option<String>,
    /// auto, udp, tcp or tls.
    transport: Option<String>,
    /// Where calls of ours go: uri, priority, weight.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "uri": "sip:sip.carrier.example" }]))]
    targets: Option<Vec<Map<String, Value>>>,
    /// Who we are to it.
    username: Option<String>,
    /// The environment variable with the password.
    #[schema(example = "CARRIER_PASSWORD")]
    password_env: Option<String>,
    /// The user of our address there.
    user: Option<String>,
    /// The domain of it.
    domain: Option<String>,
    /// Whether to register.
    register: Option<bool>,
    /// Where, if not at the first target.
    registrar: Option<String>,
    /// For how long.
    register_expires_s: Option<u32>,
    /// Seconds between OPTIONS; 0: never.
    options_interval_s: Option<u32>,
    /// Seconds until the next target is tried.
    try_timeout_s: Option<u32>,
    /// Whose calls are its own: addresses and networks.
    addresses: Option<Vec<String>>,
    /// Names in the certificates of its connections.
    certificate_names: Option<Vec<String>>,
    /// Who it must say it is.
    inbound_username: Option<String>,
    /// The environment variable with the password that it must know.
    inbound_password_env: Option<String>,
    /// By which algorithms.
    inbound_digest: Option<Vec<String>>,
    /// Calls at once.
    channels: Option<u32>,
    /// New calls in a second.
    calls_per_second: Option<u32>,
    /// New calls of ours in a minute.
    outbound_per_minute: Option<u32>,
    /// What numbers that we call over it must begin with.
    allowed_prefixes: Option<Vec<String>>,
    /// refuse or allow.
    emergency: Option<String>,
    /// Numbers that are not called.
    emergency_numbers: Option<Vec<String>>,
    /// Rules for numbers that it calls.
    #[schema(value_type = Option<Vec<Object>>)]
    inbound_called: Option<Vec<Map<String, Value>>>,
    /// Rules for numbers that call.
    #[schema(value_type = Option<Vec<Object>>)]
    inbound_caller: Option<Vec<Map<String, Value>>>,
    /// Rules for numbers that we call.
    #[schema(value_type = Option<Vec<Object>>)]
    outbound_called: Option<Vec<Map<String, Value>>>,
    /// Rules for numbers that we call from.
    #[schema(value_type = Option<Vec<Object>>)]
    outbound_caller: Option<Vec<Map<String, Value>>>,
    /// Headers of its INVITE that are kept with a call.
    headers: Option<Vec<String>>,
    /// Which, in this order.
    codecs: Option<Vec<String>>,
    /// off, optional, required or dtls.
    srtp: Option<String>,
    /// trunk, refuse or any.
    redirects: Option<String>,
    /// Whether it is believed who calls.
    trust_identity: Option<bool>,
    /// number or user.
    from: Option<String>,
    /// Whether it is told who calls beside From.
    p_asserted_identity: Option<bool>,
    /// always, asked or never.
    privacy: Option<String>,
    /// Who calls, if nobody says.
    caller_number: Option<String>,
    /// off, note or require: signatures of its callers.
    identity: Option<String>,
    /// A, B or C.
    identity_minimum_attestation: Option<String>,
    /// Of a row of the file: our certificate to it.
    #[schema(read_only)]
    tls_certificate: Option<String>,
    /// Of a row of the file: its key.
    #[schema(read_only)]
    tls_key: Option<String>,
    /// Of a row of the file: whom we believe.
    #[schema(read_only)]
    tls_roots: Option<String>,
}

impl Fields for Trunk {
    const KIND: ResourceKind = ResourceKind::Trunk;
    const PATH: &'static str = "/api/v1/trunks";
}

crud!(Trunk, "trunks", "/api/v1/trunks", "/api/v1/trunks/{id}");

/// How a trunk is, as this node sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct TrunkStatus {
    /// Whether the registrar leads calls to this node; null: none is asked to.
    registered: Option<bool>,
    /// Its targets.
    targets: Vec<TargetStatus>,
}

/// How a target is.
#[derive(Serialize, ToSchema)]
pub(super) struct TargetStatus {
    /// Where.
    #[schema(example = "sip:sip.carrier.example")]
    uri: String,
    /// up, down, failing (a call came to nothing there a moment ago) or unknown.
    #[schema(example = "up")]
    health: &'static str,
}

/// Tells how a trunk is, as this node sees it.
#[utoipa::path(get, path = "/api/v1/trunks/{id}/status", tag = "trunks", params(("id" = String, Path)),
    responses((status = 200, body = TrunkStatus), (status = 404), (status = 409)))]
pub(super) async fn status(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Json<TrunkStatus>, Problem> {
    let name = resources::name_of::<Trunk>(&api, &asked, &id).await?;
    let state = api.node()?.trunk(&name);
    let unused = || Problem::new(StatusCode::CONFLICT, "this node does not use it: GET /admin/node says why");
    let state = state.ok_or_else(unused)?;
    let targets = state.targets.into_iter().map(|(uri, health)| TargetStatus { uri, health }).collect();
    Ok(Json(TrunkStatus { registered: state.registered, targets }))
}
