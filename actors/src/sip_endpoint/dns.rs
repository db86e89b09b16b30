//! Asks the DNS what the locator wants to know. It decides nothing and remembers nothing: both are the locator's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use sip::locate::{Naptr, Question, Records, Srv};

use super::SipMsg;
use crate::mailbox::Mailbox;

/// Waited for one answer; each server is asked twice. Together less than the locator waits.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The way to the DNS.
pub(super) struct Dns(Option<Arc<TokioResolver>>);

impl Dns {
    /// Over these servers, or the system's when there are none. A system without any answers nothing, which is told once.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let resolver = resolver(servers);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "there is no DNS: SIP peers with names are answered where they were last seen");
        }
        Self(resolver.ok().map(Arc::new))
    }

    /// Asks; the answer comes as [`SipMsg::Resolved`], whatever it is.
    pub fn ask(&self, question: Question, me: &Mailbox<SipMsg>) {
        let (resolver, me) = (self.0.clone(), me.clone());
        tokio::spawn(async move {
            let (records, ttl) = match resolver {
                Some(resolver) => look_up(&resolver, &question).await,
                None => (Records::Nothing, Duration::ZERO),
            };
            let _asked_again_later = me.send(SipMsg::Resolved { question, records, ttl });
        });
    }
}

pub(crate) fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = match servers {
        [] => TokioResolver::builder_tokio()?,
        servers => {
            let servers = servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = ANSWER_MAX;
    options.attempts = 2;
    options.cache_size = 0;
    builder.build()
}

pub(crate) async fn look_up(resolver: &TokioResolver, question: &Question) -> (Records, Duration) {
    let (name, kind) = match question {
        // As the system reads names of hosts, its search list included.
        Question::A(name) => (name.clone(), RecordType::A),
        Question::Aaaa(name) => (name.clone(), RecordType::AAAA),
        Question::Naptr(name) => (format!("{name}."), RecordType::NAPTR),
        Question::Srv(name) => (format!("{name}."), RecordType::SRV),
    };
    let (outcome, answer) = match resolver.lookup(name.as_str(), kind).await {
        Ok(lookup) => {
            let rows: Vec<&Record> = lookup.answers().iter().filter(|record| record.record_type() == kind).collect();
            let ttl = rows.iter().map(|record| record.ttl).min().unwrap_or_default();
            ("found", (records(question, &rows), Duration::from_secs(ttl.into())))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            let ttl = nothing.negative_ttl.unwrap_or_default();
            ("nothing", (Records::Nothing, Duration::from_secs(ttl.into())))
        }
        Err(error) => {
            tracing::debug!(%error, ?kind, "the DNS did not answer");
            ("failed", (Records::Nothing, Duration::ZERO))
        }
    };
    metrics::counter!("offhook_sip_dns_total", "outcome" => outcome).increment(1);
    answer
}

fn records(question: &Question, rows: &[&Record]) -> Records {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match question {
        Question::A(_) | Question::Aaaa(_) => {
            Records::Addresses(rows.iter().filter_map(|record| record.data.ip_addr()).collect())
        }
        Question::Naptr(_) => {
            let naptr = rows.iter().filter_map(|record| match &record.data {
                RData::NAPTR(row) => Some(Naptr {
                    order: row.order,
                    preference: row.preference,
                    flags: text(&row.flags),
                    service: text(&row.services),
                    replacement: row.replacement.to_ascii(),
                }),
                _ => None,
            });
            Records::Naptr(naptr.collect())
        }
        Question::Srv(_) => {
            let srv = rows.iter().filter_map(|record| match &record.data {
                RData::SRV(row) => {
                    let target = row.target.to_ascii();
                    Some(Srv { priority: row.priority, weight: row.weight, port: row.port, target })
                }
                _ => None,
            });
            Records::Srv(srv.collect())
        }
    }
}
