//! TLS of SIP: the certificate and its checks, read again when their files change, and handshakes with an end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use sip::uri::Host;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::TlsFiles;

/// A handshake that takes longer is given up: it needs two round trips and a signature, and holds a place meanwhile.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The files are looked at this often: who renews a certificate does so days before its end.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What TLS of an endpoint is done with, today.
pub(crate) struct Tls {
    files: TlsFiles,
    loaded: ArcSwap<Loaded>,
    look: Notify,
}

/// What one reading of the files gave.
struct Loaded {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    /// End of our certificate's validity, in seconds since 1970.
    not_after: i64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One line that names the key, for the operator.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, String> {
        let loaded = load(&files)?;
        Ok(Arc::new(Self { files, loaded: ArcSwap::from_pointee(loaded), look: Notify::new() }))
    }

    /// Reads the files again soon, changed or not.
    pub fn reload(&self) {
        self.look.notify_one();
    }

    /// Goes on for ever: reads the files again when they change, and says how long the certificate lasts. New connections get what is
    /// new; those that are open are not touched. What cannot be read leaves all as it was.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.stamps().await;
        loop {
            let left = self.loaded.load().not_after as f64 - seconds_since_1970();
            metrics::gauge!("offhook_certificate_expires_seconds", "certificate" => "sip").set(left);
            let asked = tokio::time::timeout(LOOK_EVERY, self.look.notified()).await.is_ok();
            let now = self.stamps().await;
            if !asked && now == seen {
                continue;
            }
            seen = now;
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || load(&files)).await;
            let outcome = match read.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(loaded) => {
                    self.loaded.store(Arc::new(loaded));
                    tracing::info!("the certificate of SIP was read again");
                    "read"
                }
                Err(reason) => {
                    tracing::error!(reason, "the certificate of SIP stays the one before");
                    "failed"
                }
            };
            metrics::counter!("offhook_sip_tls_reloads_total", "outcome" => outcome).increment(1);
        }
    }

    /// A peer connected; `None` when it did not get through the handshake.
    pub async fn accept(&self, stream: TcpStream) -> Option<server::TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.loaded.load().server));
        note("received", tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await)
    }

    /// We connected, and the other side must show that it is `peer`.
    pub async fn connect(&self, stream: TcpStream, peer: &Host) -> Option<client::TlsStream<TcpStream>> {
        let name = match peer {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.clone()).ok()?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.loaded.load().client));
        note("sent", tokio::time::timeout(HANDSHAKE_MAX, connector.connect(name, stream)).await)
    }

    /// Connects as [`connect`](Self::connect) does, and says what there is to say of the certificate.
    ///
    /// # Errors
    /// Why it did not come about, for the operator.
    pub async fn look(&self, stream: TcpStream, peer: &Host) -> Result<String, String> {
        let name = match peer {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| error.to_string())?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.loaded.load().client));
        let shaken = tokio::time::timeout(HANDSHAKE_MAX, connector.connect(name, stream)).await;
        let stream = shaken.map_err(|_| "the handshake took too long".to_owned())?.map_err(|error| error.to_string())?;
        let days = stream.get_ref().1.peer_certificates().and_then(end_of_validity);
        let days = days.map(|end| (end as f64 - seconds_since_1970()) / 86_400.0);
        Ok(days.map_or("the certificate is good".to_owned(), |days| format!("the certificate is good for {days:.0} days")))
    }

    /// Tells one state of the files from another. Their disk may be slow, so it is asked beside the runtime.
    async fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || stamps(&files)).await.unwrap_or_default()
    }
}

fn stamps(files: &TlsFiles) -> Vec<Option<(SystemTime, u64)>> {
    let TlsFiles { certificate, key, client_roots, client_required: _, server_roots } = files;
    let files = [Some(certificate), Some(key), client_roots.as_ref(), server_roots.as_ref()];
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

/// The DNS names in the certificate that a client showed; checked by then.
pub(super) fn names_of(stream: &server::TlsStream<TcpStream>) -> Vec<String> {
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates().and_then(|chain| chain.first());
    let Some((_, own)) = own.and_then(|own| x509_parser::parse_x509_certificate(own).ok()) else { return Vec::new() };
    let alternatives = own.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let dns = names.filter_map(|name| match name {
        x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    dns.collect()
}

/// Counts a handshake and how it ended.
fn note<S>(direction: &'static str, shaken: Result<io::Result<S>, tokio::time::error::Elapsed>) -> Option<S> {
    let (outcome, stream) = match shaken {
        Ok(Ok(stream)) => ("ok", Some(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, direction, "a TLS handshake failed");
            (reason(&error), None)
        }
        Err(_) => ("timeout", None),
    };
    metrics::counter!("offhook_sip_tls_handshakes_total", "direction" => direction, "outcome" => outcome).increment(1);
    stream
}

/// Why a handshake failed, as a label.
fn reason(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(_)) => "refused_by_peer",
        Some(Error::InvalidCertificate(_)) => "certificate_invalid",
        Some(Error::InvalidMessage(_)) => "not_tls",
        Some(Error::NoCertificatesPresented) => "certificate_missing",
        Some(Error::PeerIncompatible(_)) => "incompatible",
        Some(_) => "protocol",
        None => "closed",
    }
}

fn load(files: &TlsFiles) -> Result<Loaded, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("sip.tls_cert", &files.certificate)?;
    let not_after =
        end_of_validity(&chain).ok_or_else(|| wrong("sip.tls_cert", &files.certificate, "is no X.509 certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("sip.tls_key", &files.key, error))?;
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| wrong("sip.tls_key", &files.key, error))?;
    let server = server_config(files, &provider, certified.clone())?;
    let client = client_config(files, &provider, certified)?;
    Ok(Loaded { server: Arc::new(server), client: Arc::new(client), not_after })
}

fn server_config(files: &TlsFiles, provider: &Arc<CryptoProvider>, certified: CertifiedKey) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("sip.tls_listen: {error}"))?;
    let builder = match &files.client_roots {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots("sip.tls_client_roots", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let verifier = if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong("sip.tls_client_roots", path, error))?)
        }
    };
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

fn client_config(files: &TlsFiles, provider: &Arc<CryptoProvider>, certified: CertifiedKey) -> Result<ClientConfig, String> {
    let trusted = match &files.server_roots {
        Some(path) => roots("sip.tls_server_roots", path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("sip.tls_listen: {error}"))?;
    Ok(builder.with_root_certificates(trusted).with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all = all.map_err(|error| wrong(key, path, error))?;
    if all.is_empty() { Err(wrong(key, path, "holds no certificate")) } else { Ok(all) }
}

fn roots(key: &str, path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        store.add(certificate).map_err(|error| wrong(key, path, error))?;
    }
    Ok(store)
}

fn end_of_validity(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let (_, own) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    Some(own.validity().not_after.timestamp())
}

fn wrong(key: &str, path: &Path, reason: impl ToString) -> String {
    format!("{key}: {}: {}", path.display(), reason.to_string())
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
