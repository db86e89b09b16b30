//! Whether a trunk works, in plain words: what a node would do with it, step by step, by the node's own code.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip::endpoint::{OutboundRequest, Series, Transport};
use sip::locate::{Family, Locator, Place, Target};
use sip::message::{Response, StatusCode};
use sip::uri::Uri;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::config::TrunkConfig;
use super::{Errand, TrunkMsg, Trunks, options, register};
use crate::config::{SipConfig, SipListener, Speaks, WatchConfig};
use crate::mailbox::{Mailbox, Port};
use crate::sip_endpoint::dns::{look_up, resolver};
use crate::sip_endpoint::tls::Tls;
use crate::sip_endpoint::{SipEndpoint, SipEndpointArgs, SipMsg};
use crate::worker::{Failure, Worker, spawn_root};

/// Waited for one answer: a little less than the 32 s after which SIP gives up, since a carrier that needs longer than this works for nobody.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Waited for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What was found out by one step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Whether it works.
    pub works: bool,
    /// What, in one line.
    pub text: String,
}

/// Looks at a trunk: its targets, then its registrar. Calls nobody and registers nobody.
///
/// # Errors
/// When not even a socket can be opened; names the key.
pub async fn check(sip: &SipConfig, trunk: &TrunkConfig) -> Result<Vec<Finding>, String> {
    let mut inspector = Inspector::new(sip).await?;
    let mut findings = Vec::new();
    if trunk.targets.is_empty() {
        findings.push(works("there are no targets: it can call us, and we cannot call it"));
    }
    for target in &trunk.targets {
        if inspector.reach(&target.uri, &mut findings).await {
            let answer = inspector.ask(trunk, options(trunk, &target.uri)).await;
            findings.push(of_options(&target.uri, answer.as_deref()));
        }
    }
    match register(trunk, None) {
        None => findings.push(works("no registration is configured: the carrier must know our address")),
        Some(question) => {
            let registrar = question.next_hop.clone().unwrap_or_else(|| question.request_uri.clone());
            if trunk.credentials.is_none() {
                findings.push(fails("no username and password_env are set: most registrars want them"));
            }
            let known = trunk.targets.iter().any(|target| target.uri == registrar);
            if known || inspector.reach(&registrar, &mut findings).await {
                let answer = inspector.ask(trunk, question).await;
                findings.push(of_register(&registrar, trunk, answer.as_deref()));
            }
        }
    }
    Ok(findings)
}

fn works(text: impl Into<String>) -> Finding {
    Finding { works: true, text: text.into() }
}

fn fails(text: impl Into<String>) -> Finding {
    Finding { works: false, text: text.into() }
}

fn of_options(target: &Uri, answer: Option<&Response>) -> Finding {
    match answer.map(|answer| answer.status) {
        None => fails(format!("{target} does not answer OPTIONS: is our address permitted there, and a firewall open?")),
        Some(status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE)) => {
            fails(format!("{target} answers OPTIONS with {}: it is there and cannot serve", said(status)))
        }
        Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            fails(format!("{target} wants a password for OPTIONS, and ours is missing or wrong"))
        }
        Some(status) if status.is_success() => works(format!("{target} answers OPTIONS with {}", said(status))),
        Some(status) => works(format!("{target} answers OPTIONS with {}, so it is there", said(status))),
    }
}

fn of_register(registrar: &Uri, trunk: &TrunkConfig, answer: Option<&Response>) -> Finding {
    let Some(answer) = answer else {
        return fails(format!("the registrar {registrar} does not answer"));
    };
    match answer.status {
        status if status.is_success() => {
            let bindings = answer.headers.get_all("Contact").count();
            works(format!("the registrar {registrar} knows {}, who is registered at {bindings} addresses now", trunk.user))
        }
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED if trunk.credentials.is_none() => {
            fails(format!("the registrar {registrar} wants a password, and username and password_env are not set"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            fails(format!("the registrar {registrar} refuses our username or password"))
        }
        status => fails(format!("the registrar {registrar} answers REGISTER with {}", said(status))),
    }
}

fn said(status: StatusCode) -> String {
    format!("{} {}", status.code(), status.reason())
}

fn label(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Udp => "UDP",
    }
}

/// An endpoint on free ports, and what is needed to look closer than it does.
struct Inspector {
    config: SipConfig,
    sip: Mailbox<SipMsg>,
    asker: Mailbox<TrunkMsg>,
    ended: mpsc::Receiver<Option<Box<Response>>>,
    tls: Option<Arc<Tls>>,
}

impl Inspector {
    async fn new(config: &SipConfig) -> Result<Self, String> {
        let free = |listener: &SipListener| SipListener { listen: SocketAddr::new(listener.listen.ip(), 0), ..*listener };
        let config = SipConfig { listeners: config.listeners.iter().map(free).collect(), ..config.clone() };
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let trunks = Arc::new(Trunks::default());
        let watch = WatchConfig::default();
        let args = SipEndpointArgs { config: config.clone(), calls: Port::default(), trunks, watch, store: Port::default() };
        let (sip, _) = spawn_root::<SipEndpoint>(args).await?;
        let (told, ended) = mpsc::channel(1);
        let (asker, _) = spawn_root::<Asker>(told).await?;
        Ok(Self { config, sip, asker, ended, tls })
    }

    /// Whether any address of a URI can be reached; says what is found on the way.
    async fn reach(&self, uri: &Uri, findings: &mut Vec<Finding>) -> bool {
        let Some(place) = Place::of(uri) else {
            findings.push(fails(format!("{uri} names a transport that is not spoken here")));
            return false;
        };
        let targets = self.locate(&place).await;
        if targets.is_empty() {
            findings.push(fails(format!("{uri} is not found: the DNS has no address for it that we could use")));
            return false;
        }
        let mut reached = false;
        for Target { transport, address } in targets {
            let by = label(transport);
            let at = format!("{uri} is {address} by {by}");
            let finding = match (transport, &self.tls) {
                (Transport::Udp, _) => works(at),
                (Transport::Tls, None) => fails(format!("{at}, and TLS needs sip.tls_cert and sip.tls_key")),
                (Transport::Tcp | Transport::Tls, tls) => {
                    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                        Err(_) => fails(format!("{at}, and does not take a connection within {CONNECT_MAX:?}")),
                        Ok(Err(error)) => fails(format!("{at}, and takes no connection: {error}")),
                        Ok(Ok(stream)) => match tls.as_ref().filter(|_| transport == Transport::Tls) {
                            None => works(format!("{at}, which takes connections")),
                            Some(tls) => match tls.look(stream, &place.host).await {
                                Ok(certificate) => works(format!("{at}, {certificate}")),
                                Err(reason) => fails(format!("{at}, and TLS fails: {reason}")),
                            },
                        },
                    }
                }
            };
            reached |= finding.works;
            findings.push(finding);
        }
        reached
    }

    async fn locate(&self, place: &Place) -> Vec<Target> {
        let mut reach = Vec::new();
        for listener in &self.config.listeners {
            let transports: &[Transport] = match listener.speaks {
                Speaks::Tls => &[Transport::Tls],
                Speaks::UdpAndTcp => &[Transport::Udp, Transport::Tcp],
            };
            let family = Family::of(listener.listen.ip());
            reach.extend(transports.iter().map(|transport| (*transport, family)));
        }
        let (mut locator, mut random) = (Locator::new(reach), rand::rng());
        locator.locate(Instant::now(), 0, place.clone(), &mut random);
        let resolver = resolver(&self.config.dns_servers).ok();
        loop {
            if let Some((_, targets)) = locator.poll_found() {
                return targets;
            }
            let (Some(question), Some(resolver)) = (locator.poll_question(), &resolver) else { return Vec::new() };
            let (records, ttl) = look_up(resolver, &question).await;
            locator.handle_answer(Instant::now(), question, records, ttl);
        }
    }

    /// The final answer to one request; `None` when none came in time.
    async fn ask(&mut self, trunk: &TrunkConfig, request: OutboundRequest) -> Option<Box<Response>> {
        let (errand, series) = (Errand::Registration, Box::new(Series::new(trunk.credentials.clone())));
        let asked = SipMsg::Ask { errand, request: Box::new(request), series, trunk: self.asker.clone() };
        self.sip.send(asked).ok()?;
        let answer = tokio::time::timeout(ANSWER_MAX, self.ended.recv()).await;
        if answer.is_err() {
            // A late answer would be taken for the next one's.
            let _ended_already = self.sip.send(SipMsg::Abandon(errand, self.asker.id()));
        }
        answer.ok().flatten().flatten()
    }
}

/// Hears the ends of requests in the place of a Trunk.
struct Asker(mpsc::Sender<Option<Box<Response>>>);

impl Worker for Asker {
    type Msg = TrunkMsg;
    type Args = mpsc::Sender<Option<Box<Response>>>;

    async fn start(told: Self::Args, _: &Mailbox<TrunkMsg>) -> Result<Self, Failure> {
        Ok(Self(told))
    }

    async fn handle(&mut self, message: TrunkMsg, _: &Mailbox<TrunkMsg>) -> Result<(), Failure> {
        if let TrunkMsg::Ended { response, .. } = message {
            let _asker_left = self.0.send(response).await;
        }
        Ok(())
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.sip.stop();
        self.asker.stop();
    }
}
