//! Trunks with certificates of their own, looked at by `openssl s_server`, which wants to see one.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::tls::Authority;
use support::{Folder, Process, Server, free_address, wait_for};

/// A carrier's TLS: it prints whose certificates it is shown, and what it is told.
struct Carrier {
    process: Process,
    folder: Folder,
}

impl Carrier {
    /// One with a certificate of `authority`, who wants to see one that `customers` has signed.
    fn start(address: SocketAddr, authority: &Authority, customers: &Authority) -> Self {
        let folder = Folder::new();
        let output = std::fs::File::create(folder.path().join("log")).unwrap();
        let (certificate, key) = authority.sign("carrier", 30);
        let child = Command::new("openssl")
            .args(["s_server", "-accept", &address.to_string(), "-Verify", "1", "-verify_return_error"])
            .args([Path::new("-cert"), &certificate, Path::new("-key"), &key, Path::new("-CAfile"), &customers.root()])
            // The end of its input would be its own.
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("openssl is installed (Debian: openssl)");
        Self { process: Process(child), folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The name on the certificate that it was shown, with the OPTIONS that came by that connection.
    fn shown(&self, server: &Server) -> String {
        let wait = || {
            let log = self.log();
            let subject = log.lines().find(|line| line.starts_with("subject="))?;
            log.contains("OPTIONS sip:").then(|| subject.rsplit('=').next().unwrap_or_default().trim().to_owned())
        };
        let id = self.process.id();
        wait_for(Duration::from_secs(40), &format!("OPTIONS at {id}: {}", server.folder.path().display()), wait)
    }
}

/// A trunk with this certificate, which believes who has one of `authority`.
fn trunk(name: &str, (certificate, key): &(PathBuf, PathBuf), authority: &Authority, target: &str) -> String {
    format!(
        "[[trunks]]\nname = \"{name}\"\ntls_certificate = {certificate:?}\ntls_key = {key:?}\ntls_roots = {:?}\noptions_interval_s = 8\n\
         [[trunks.targets]]\nuri = \"sip:{target};transport=tls\"\n",
        authority.root()
    )
}

fn start(trunks: &str, (certificate, key): &(PathBuf, PathBuf)) -> Server {
    let listen = free_address().to_string();
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap());
    let own =
        [("OFFHOOK__SIP__TLS_CERT", certificate), ("OFFHOOK__SIP__TLS_KEY", key), ("OFFHOOK__SIP__TLS_LISTEN", listen.as_str())];
    Server::start_with(trunks, &own)
}

#[test]
fn each_carrier_is_shown_its_own_certificate_and_believed_by_its_own_roots() {
    let (ours, first, second) = (Authority::new(), Authority::new(), Authority::new());
    let [node, alpha, beta, renewed] = ["node", "alpha", "beta", "renewed"].map(|name| ours.sign(name, 30));
    let (here, there) = (free_address(), free_address());
    let one = Carrier::start(here, &first, &ours);
    let other = Carrier::start(there, &second, &ours);
    // Two names of this machine: one host is shown one certificate.
    let names = [here.to_string(), format!("localhost:{}", there.port())];
    let server = start(&(trunk("alpha", &alpha, &first, &names[0]) + &trunk("beta", &beta, &second, &names[1])), &node);
    assert_eq!(one.shown(&server), "alpha");
    assert_eq!(other.shown(&server), "beta");
    server.wait_metric("offhook_sip_connections", "transport=\"tls\"", 2.0);
    assert!(server.metric("offhook_certificate_expires_seconds", "certificate=\"trunk beta\"") > 86_400.0);

    // Renewed: the connection that is open goes on, the next one shows the new certificate.
    std::fs::copy(&renewed.0, &alpha.0).unwrap();
    std::fs::copy(&renewed.1, &alpha.1).unwrap();
    server.process.signal("-HUP");
    server.wait_metric("offhook_sip_tls_reloads_total", "outcome=\"read\"", 1.0);
    assert_eq!(server.metric("offhook_sip_connections", "transport=\"tls\""), 2.0);
    drop(one);
    let one = Carrier::start(here, &first, &ours);
    assert_eq!(one.shown(&server), "renewed");

    // Believed by the other trunk alone. s_server has one peer at a time.
    drop(server);
    let server = start(&trunk("beta", &beta, &first, &names[1]), &node);
    let refused = || server.metric("offhook_sip_tls_handshakes_total", "direction=\"sent\",outcome=\"certificate_invalid\"");
    wait_for(Duration::from_secs(30), "a carrier that is not believed", || (refused() >= 1.0).then_some(()));
}
