//! Who vouches for callers' numbers (STIR/SHAKEN), on a node: the operator's roots, the signers' certificates, and our own key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ai::net::certificates::Certificates;
use ai::net::guard::Reach;
pub use sip::identity::{Attestation, Policy, Rules};
use sip::identity::{Examined, Outcome, Pending, Random, Reason, Roots, Signed, Signer, Subject, Verdict, examine};
use sip::message::{Request, name};
use store::CallId;
use tokio::runtime::Handle;

use crate::call::CallMsg;
use crate::mailbox::Mailbox;

/// How callers' numbers are checked, and ours are signed.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// What callers must show.
    pub policy: Policy,
    /// PEM file of those who may certify signers; `None`: nothing can be verified.
    pub roots: Option<PathBuf>,
    /// What a signature is held to.
    pub rules: Rules,
    /// How long a call waits for its signer's certificate.
    pub wait: Duration,
    /// Where certificates may be fetched from.
    pub reach: Reach,
    /// Our own key; `None`: calls of ours are not signed.
    pub signing: Option<SigningConfig>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            roots: None,
            rules: Rules::default(),
            wait: Duration::from_secs(1),
            reach: Reach::Public,
            signing: None,
        }
    }
}

/// How calls of ours are signed.
#[derive(Clone, Debug)]
pub struct SigningConfig {
    /// PEM file of the key.
    pub key: PathBuf,
    /// Where others find its certificate.
    pub certificate_url: String,
    /// How far we vouch.
    pub attestation: Attestation,
}

/// What a node does with identities.
pub struct Identity {
    policy: Policy,
    rules: Rules,
    wait: Duration,
    /// `None`: the operator gave none.
    roots: Option<Arc<Roots>>,
    certificates: Certificates,
    signer: Option<(Signer, Attestation)>,
}

/// What an INVITE told, and what is still to come.
pub(crate) enum Checked {
    /// Nothing is looked at, or there was nothing to see.
    Nothing,
    /// All there is to say.
    Judged(Verdict),
    /// A message will say it.
    Pending {
        /// How long to wait for it.
        wait: Duration,
        /// What is to be said when it is late.
        late: Verdict,
    },
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// One line that names the key, for the operator.
    pub fn load(config: &IdentityConfig) -> Result<Self, String> {
        let read = |key: &str, path: &Path| std::fs::read(path).map_err(|error| wrong(key, path, error));
        let roots = match &config.roots {
            Some(path) => {
                let pem = read("identity.roots", path)?;
                Some(Arc::new(Roots::from_pem(&pem).map_err(|error| wrong("identity.roots", path, error))?))
            }
            None => None,
        };
        let signer = match &config.signing {
            Some(signing) => {
                let pem = read("identity.sign_key", &signing.key)?;
                let signer = Signer::new(&pem, &signing.certificate_url, &Random::new());
                Some((signer.map_err(|error| wrong("identity.sign_key", &signing.key, error))?, signing.attestation))
            }
            None => None,
        };
        let certificates = Certificates::new(config.reach);
        Ok(Self { policy: config.policy, rules: config.rules.clone(), wait: config.wait, roots, certificates, signer })
    }

    /// What callers must show.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Looks at the INVITE of a call. Where the signer's certificate is needed, the rest is done on `runtime`, and the call is told.
    pub(crate) fn check(&self, invite: &Request, runtime: &Handle, call: &Mailbox<CallMsg>) -> Checked {
        if self.policy == Policy::Off {
            return Checked::Nothing;
        }
        match (examine(invite, SystemTime::now(), &self.rules), &self.roots) {
            // A node that verifies says of each call that nothing was signed; one that does not has nothing to say.
            (Examined::Judged(verdict), None) if verdict.is_empty() => Checked::Nothing,
            (Examined::Judged(verdict), _) => Checked::Judged(verdict),
            (Examined::Pending(pending), None) => Checked::Judged(pending.unverifiable(Reason::NoRoots)),
            (Examined::Pending(pending), Some(roots)) => {
                let late = pending.unverifiable(Reason::Late);
                let (roots, certificates, call) = (Arc::clone(roots), self.certificates.clone(), call.clone());
                runtime.spawn(async move {
                    let verdict = judge(*pending, &roots, &certificates).await;
                    let _ended_meanwhile = call.send(CallMsg::IdentityJudged(Box::new(verdict)));
                });
                Checked::Pending { wait: self.wait, late }
            }
        }
    }

    /// Says once what an operator may not expect.
    pub(crate) fn announce(&self) {
        if self.roots.is_none() && self.policy != Policy::Off {
            tracing::info!("identity.roots is not set: callers' Identity headers are noted as unverifiable");
        }
    }

    /// The Identity header of a call of ours, name and value, for its INVITE; `None` where the operator gave no key, or where caller or
    /// called is no telephone number. It names nobody but them, and `origid` is the call's id.
    pub fn header(&self, call: CallId, caller: &str, called: &str) -> Option<(&'static str, String)> {
        let (signer, attestation) = self.signer.as_ref()?;
        let origid = call.to_string();
        let signed = Signed { caller, called, attestation: *attestation, origid: &origid, at: SystemTime::now() };
        Some((name::IDENTITY, signer.sign(&signed, &Random::new())?))
    }
}

async fn judge(pending: Pending, roots: &Roots, certificates: &Certificates) -> Verdict {
    let found = certificates.get(pending.url()).await;
    if let Err(error) = &found {
        metrics::counter!("offhook_identity_fetch_errors_total", "reason" => error.kind()).increment(1);
    }
    let found = found.as_deref().map_err(|error| match error {
        ai::net::certificates::FetchError::Refused => Reason::BadUrl,
        _ => Reason::NotFetched,
    });
    pending.judge(found, roots, SystemTime::now())
}

/// What a model is told of a caller's number, in words; empty where there is nothing to say.
pub(crate) fn in_words(verdict: &Verdict) -> &'static str {
    match (verdict.outcome, verdict.attestation) {
        (Outcome::Passed, _) if verdict.subject == Subject::Asserted => {
            "The caller's telephone number is hidden or changed; the network knows the true one, and it is signed."
        }
        (Outcome::Passed, Some(Attestation::Full)) => {
            "The caller's telephone number is verified: the caller's provider vouches that the caller may use it."
        }
        (Outcome::Passed, _) => {
            "The caller's telephone number is signed by a provider, which does not vouch that the caller may use it."
        }
        (Outcome::Failed, _) => {
            "The caller's telephone number did not pass verification and may be forged: do not take it for who calls."
        }
        (Outcome::None | Outcome::Unverifiable, _) => "",
    }
}

fn wrong(key: &str, path: &Path, reason: impl ToString) -> String {
    format!("{key}: {}: {}", path.display(), reason.to_string())
}
