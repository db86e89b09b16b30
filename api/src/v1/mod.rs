//! `/api/v1`: REST for programs and people who run calls, and for those who manage who may.
//!
//! A resource is a file: types with `ToSchema`, handlers with `utoipa::path`, and its rows in [`access::ROUTES`]. Whoever asks is an
//! [`access::Asked`], a body a [`body::Body`], a list [`lists`], a version [`versions`]; the rest is done around all of them.

mod access;
mod admin;
mod analytics;
mod api_keys;
mod assistants;
mod audit_log;
mod body;
mod call;
mod call_actions;
mod call_filter;
mod calls;
mod campaign_contacts;
mod campaigns;
mod configurations;
mod deliveries;
mod do_not_call;
mod events;
mod feature_flags;
mod invoices;
mod knowledge;
mod ladder;
mod leads;
mod limits;
mod lists;
mod mcp_servers;
mod media;
mod memories;
mod openapi;
mod organizations;
mod phone_numbers;
mod plans;
mod privacy;
mod recording;
mod refusals;
mod repeats;
mod resources;
mod session_socket;
mod session_webrtc;
mod sessions;
mod signing_in;
mod subscription;
mod talk;
mod tools;
mod trunks;
mod uploads;
mod usage;
mod users;
mod versions;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use platform::billing::Billing;
use platform::campaigns::list::LIST_BYTES_MAX;
use platform::events::Events;
use platform::knowledge::Service;
use platform::people::People;
use platform::privacy::Privacy;
use platform::webhooks::Webhooks;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::{Access, ApiKey, ROUTES};
pub use limits::RequestLimits;
pub use repeats::REPEATS_MAX;
pub(crate) use uploads::is_upload;

use crate::problem::Problem;
use crate::twilio::PublicUrl;
use crate::{ApiConfig, CallGate, NodeGate};
use analytics::Counting;
use limits::Limits;
use repeats::Repeats;
use uploads::Uploads;

/// What the routes share.
struct V1 {
    gate: Arc<dyn CallGate>,
    key: Option<ApiKey>,
    people: Option<People>,
    node: Option<Arc<dyn NodeGate>>,
    events: Option<Events>,
    webhooks: Option<Webhooks>,
    knowledge: Option<Service>,
    uploads: Uploads,
    billing: Option<Billing>,
    privacy: Option<Privacy>,
    repeats: Repeats,
    limits: Limits,
    counting: Counting,
    /// The address under which clients see us; `None`: as each request says.
    public_url: Option<PublicUrl>,
    sessions_per_organization: u32,
}

impl V1 {
    fn people(&self) -> Result<&People, Problem> {
        self.people.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody can sign in here"))
    }

    fn webhooks(&self) -> Result<&Webhooks, Problem> {
        self.webhooks.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody is told of events here"))
    }

    fn billing(&self) -> Result<&Billing, Problem> {
        self.billing.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is charged here"))
    }

    fn privacy(&self) -> Result<&Privacy, Problem> {
        self.privacy.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is given out or erased here"))
    }
}

/// All routes, and the document of them.
pub(crate) fn routes(config: &ApiConfig, gate: Arc<dyn CallGate>) -> Router {
    let limits = Limits::new(config.requests);
    let api = Arc::new(V1 {
        gate,
        key: config.key.clone(),
        people: config.people.clone(),
        node: config.node.clone(),
        events: config.events.clone(),
        webhooks: config.webhooks.clone(),
        knowledge: config.knowledge.clone(),
        uploads: Uploads::new(config.document_bytes_max),
        billing: config.billing.clone(),
        privacy: config.privacy.clone(),
        repeats: Repeats::default(),
        limits,
        counting: Counting::default(),
        public_url: config.twilio.public_url.clone(),
        sessions_per_organization: config.sessions_per_organization,
    });
    let (routes, mut document) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(signing_in::login))
        .routes(routes!(signing_in::refresh))
        .routes(routes!(signing_in::logout))
        .routes(routes!(signing_in::password))
        .routes(routes!(signing_in::enroll))
        .routes(routes!(signing_in::verify))
        .routes(routes!(signing_in::disable))
        .routes(routes!(signing_in::sessions))
        .routes(routes!(signing_in::revoke))
        .routes(routes!(signing_in::me))
        .routes(routes!(organizations::list, organizations::create))
        .routes(routes!(organizations::show, organizations::change, organizations::delete))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::show, api_keys::change, api_keys::delete))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(audit_log::list))
        .merge(directory().merge(billing()))
        .routes(routes!(events::stream))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(leads::list))
        .routes(routes!(leads::show, leads::change))
        .routes(routes!(memories::list))
        .routes(routes!(memories::show, memories::change, memories::delete))
        .merge(campaigns())
        .merge(knowledge_base(&api.uploads))
        .merge(persons())
        .merge(conversations())
        .split_for_parts();
    openapi::name_operations(&mut document);
    refusals::tell(&mut document);
    // The last one is asked first: who it is, then whether there is room for what it sends, then whether it was done before.
    let routes = routes
        .route_layer(from_fn_with_state(Arc::clone(&api), repeats::repeat))
        .route_layer(from_fn_with_state(Arc::clone(&api), uploads::take_place))
        .route_layer(from_fn_with_state(Arc::clone(&api), access::check))
        .with_state(api);
    routes.merge(openapi::routes(&document))
}

/// Calls and sessions, and what came of them.
fn conversations() -> OpenApiRouter<Arc<V1>> {
    OpenApiRouter::new()
        .routes(routes!(calls::list, calls::place))
        .routes(routes!(calls::show))
        .routes(routes!(calls::act))
        .routes(routes!(ladder::show))
        .routes(routes!(ladder::capture))
        .routes(routes!(talk::transcript))
        .routes(routes!(talk::timeline))
        .routes(routes!(recording::show))
        .routes(routes!(media::stats))
        .routes(routes!(analytics::summary))
        .merge(sessions())
}

/// What assistants look things up in.
fn knowledge_base(uploads: &Uploads) -> OpenApiRouter<Arc<V1>> {
    let documents = OpenApiRouter::new()
        .routes(routes!(knowledge::list, knowledge::create))
        .routes(routes!(knowledge::show, knowledge::change, knowledge::delete))
        .layer(DefaultBodyLimit::max(uploads.bytes_max()));
    documents.routes(routes!(knowledge::chunks)).routes(routes!(knowledge::search))
}

/// Conversations of browsers and programs.
fn sessions() -> OpenApiRouter<Arc<V1>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::show, sessions::delete))
        .routes(routes!(sessions::messages, sessions::say))
        .routes(routes!(session_socket::upgrade))
        .routes(routes!(session_webrtc::offer, session_webrtc::offer_again, session_webrtc::leave))
}

/// What is known of persons.
fn persons() -> OpenApiRouter<Arc<V1>> {
    OpenApiRouter::new()
        .routes(routes!(privacy::export))
        .routes(routes!(privacy::erase))
        .routes(routes!(privacy::list))
        .routes(routes!(privacy::show))
        .routes(routes!(privacy::file))
        .routes(routes!(privacy::report))
        .routes(routes!(privacy::retention, privacy::set_retention))
}

/// What usage costs.
fn billing() -> OpenApiRouter<Arc<V1>> {
    OpenApiRouter::new()
        .routes(routes!(usage::show))
        .routes(routes!(usage::of_call))
        .routes(routes!(plans::list, plans::create))
        .routes(routes!(plans::show, plans::change))
        .routes(routes!(subscription::show, subscription::change))
        .routes(routes!(subscription::show_of, subscription::change_of))
        .routes(routes!(subscription::portal))
        .routes(routes!(invoices::list))
        .routes(routes!(invoices::show))
        .routes(routes!(invoices::as_csv))
}

/// Whom to call, and whom not. Lists are longer than other bodies.
fn campaigns() -> OpenApiRouter<Arc<V1>> {
    let lists = OpenApiRouter::new()
        .routes(routes!(campaign_contacts::list, campaign_contacts::import))
        .routes(routes!(do_not_call::import))
        .layer(DefaultBodyLimit::max(LIST_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(campaigns::list, campaigns::create))
        .routes(routes!(campaigns::show, campaigns::change, campaigns::delete))
        .routes(routes!(campaigns::start))
        .routes(routes!(campaigns::pause))
        .routes(routes!(campaigns::finish))
        .routes(routes!(campaign_contacts::results))
        .routes(routes!(do_not_call::list, do_not_call::add))
        .routes(routes!(do_not_call::remove))
        .merge(lists)
}

/// What calls are answered by.
fn directory() -> OpenApiRouter<Arc<V1>> {
    OpenApiRouter::new()
        .routes(routes!(assistants::list, assistants::create))
        .routes(routes!(assistants::show, assistants::change, assistants::delete))
        .routes(routes!(assistants::versions))
        .routes(routes!(assistants::restore))
        .routes(routes!(phone_numbers::list, phone_numbers::create))
        .routes(routes!(phone_numbers::show, phone_numbers::change, phone_numbers::delete))
        .routes(routes!(configurations::list, configurations::create))
        .routes(routes!(configurations::show, configurations::change, configurations::delete))
        .routes(routes!(feature_flags::list, feature_flags::create))
        .routes(routes!(feature_flags::show, feature_flags::change, feature_flags::delete))
        .routes(routes!(tools::list, tools::create))
        .routes(routes!(tools::show, tools::change, tools::delete))
        .routes(routes!(tools::test))
        .routes(routes!(mcp_servers::list, mcp_servers::create))
        .routes(routes!(mcp_servers::show, mcp_servers::change, mcp_servers::delete))
        .routes(routes!(mcp_servers::tools))
        .routes(routes!(trunks::list, trunks::create))
        .routes(routes!(trunks::show, trunks::change, trunks::delete))
        .routes(routes!(trunks::status))
        .routes(routes!(admin::node))
        .routes(routes!(admin::reload))
        .routes(routes!(admin::drain))
}
