//! The signer's certificate: its chain to the operator's roots, its dates, what its key is for, and which numbers it may sign
//! (RFC 8226).

use std::time::SystemTime;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::certificate::X509Certificate;

use super::{Reason, seconds};

/// Certificates of one chain that are read: the signer's, two between, a root, and room.
const CHAIN_MAX: usize = 6;

/// What stands before the point in the key of a certificate, when it is one of P-256 (RFC 5480).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];

/// 1.3.6.1.5.5.7.1.26, id-pe-TNAuthList (RFC 8226 §9).
const TN_AUTH_LIST: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];

/// Why roots cannot be used; the fault is the operator's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RootsError {
    /// No PEM, or not of certificates.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// One of them cannot be read.
    #[error("certificate {0} cannot be used: {1}")]
    Unusable(usize, String),
}

/// Whom the operator trusts to certify signers.
#[derive(Clone, Debug)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// The certificates of a PEM file: roots, and those between that signers leave out.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let certificates = from_pem(pem).ok_or(RootsError::NoCertificate)?;
        let anchors = (1..).zip(&certificates).map(|(place, certificate)| {
            let anchor = webpki::anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned()).map_err(|error| RootsError::Unusable(place, error.to_string()))
        });
        anchors.collect::<Result<_, _>>().map(Self)
    }
}

/// One or more certificates of a PEM text.
fn from_pem(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    Some(certificates).filter(|certificates| !certificates.is_empty())
}

/// A certificate that a chain leads to the roots from.
pub(super) struct Credential {
    /// The point of its key.
    key: Vec<u8>,
    pub(super) scope: Scope,
}

impl Credential {
    /// Whether its key made this signature.
    pub(super) fn signed(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

/// Checks what was found at a signer's URL.
pub(super) fn trusted(found: &[u8], roots: &Roots, now: SystemTime) -> Result<Credential, Reason> {
    let chain = match from_pem(found) {
        Some(chain) if chain.len() <= CHAIN_MAX => chain,
        Some(_) => return Err(Reason::BadCertificate),
        None => vec![CertificateDer::from(found.to_vec())],
    };
    let own = parse(&chain[0])?;
    let above: Vec<X509Certificate<'_>> = chain[1..].iter().map(parse).collect::<Result<_, _>>()?;
    let key = own.public_key().raw.strip_prefix(&P256).ok_or(Reason::Unsupported)?.to_vec();
    let signs = usage(&own)?.is_none_or(|usage| usage.digital_signature());
    let certifies = above.iter().map(usage).collect::<Result<Vec<_>, _>>()?;
    if !signs || !certifies.into_iter().flatten().all(|usage| usage.key_cert_sign()) {
        return Err(Reason::KeyUsage);
    }
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|error| reason(&error))?;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds(now)));
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &roots.0, &chain[1..], time, AnyPurpose, None, None)
        .map_err(|error| reason(&error))?;
    Ok(Credential { key, scope: Scope::of(&own)? })
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Reason> {
    x509_parser::parse_x509_certificate(certificate).map(|(_, parsed)| parsed).map_err(|_| Reason::BadCertificate)
}

fn usage<'a>(certificate: &'a X509Certificate<'_>) -> Result<Option<&'a x509_parser::extensions::KeyUsage>, Reason> {
    let usage = certificate.key_usage().map_err(|_| Reason::BadCertificate)?;
    Ok(usage.map(|usage| usage.value))
}

/// RFC 8226 gives these certificates no extended key usage.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Reason::Expired,
        Error::BadDer | Error::BadDerTime | Error::UnsupportedCertVersion => Reason::BadCertificate,
        _ => Reason::Untrusted,
    }
}

/// What a certificate may sign.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Scope {
    /// The service provider code.
    pub(super) provider: Option<String>,
    /// First numbers and how many.
    numbers: Vec<(String, u64)>,
}

impl Scope {
    fn of(certificate: &X509Certificate<'_>) -> Result<Self, Reason> {
        let extension = certificate.extensions().iter().find(|extension| extension.oid.as_bytes() == TN_AUTH_LIST);
        extension.map_or(Ok(Self::default()), |extension| Self::read(extension.value).ok_or(Reason::BadCertificate))
    }

    /// `SEQUENCE OF CHOICE { [0] code, [1] { first, count }, [2] number }`, tagged explicitly.
    fn read(list: &[u8]) -> Option<Self> {
        let mut scope = Self::default();
        let (0x30, mut entries, []) = element(list)? else { return None };
        while !entries.is_empty() {
            let (tag, entry, rest) = element(entries)?;
            let (_, inner, _) = element(entry)?;
            match tag {
                0xa0 => scope.provider = Some(code(inner)?),
                0xa1 => {
                    let (0x16, first, rest) = element(inner)? else { return None };
                    let (0x02, count, _) = element(rest)? else { return None };
                    let count = count.iter().try_fold(0u64, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?;
                    scope.numbers.push((code(first)?, count));
                }
                0xa2 => scope.numbers.push((code(inner)?, 1)),
                _ => {}
            }
            entries = rest;
        }
        Some(scope)
    }

    /// A provider's certificate signs for all its customers (RFC 8588); one of numbers only for these.
    pub(super) fn covers(&self, number: &str) -> bool {
        let within = |(first, count): &(String, u64)| {
            let (Ok(start), Ok(asked)) = (first.parse::<u64>(), number.parse::<u64>()) else { return first == number };
            first.len() == number.len() && asked.checked_sub(start).is_some_and(|distance| distance < *count)
        };
        self.provider.is_some() || self.numbers.is_empty() || self.numbers.iter().any(within)
    }
}

/// A code or a number: short, and nothing but letters and digits.
fn code(bytes: &[u8]) -> Option<String> {
    let sound =
        (1..=32).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'#' | b'*' | b'-'));
    sound.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The first element of DER: its tag, what is in it, and what follows. Lengths are those of a list in a certificate: two octets.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (length, rest) = match rest {
        [short @ ..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => ((usize::from(*high) << 8) | usize::from(*low), rest),
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((tag, inside, after))
}

#[cfg(test)]
mod tests {
    use super::Scope;

    fn check(list: &[u8], number: &str, expected: &str) {
        let scope = Scope::read(list);
        let text = scope.map_or("unreadable".to_owned(), |scope| {
            format!(
                "{} {}",
                scope.provider.as_deref().unwrap_or("-"),
                if scope.covers(number) { "covered" } else { "not covered" }
            )
        });
        assert_eq!(text, expected, "{number}");
    }

    #[test]
    fn a_list_of_numbers_covers_these_and_a_providers_code_covers_all() {
        let provider = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];
        check(&provider, "12155551212", "709J covered");
        let one = [&[0x30, 0x0b, 0xa2, 0x09, 0x16, 0x07][..], b"1555010"].concat();
        check(&one, "1555010", "- covered");
        check(&one, "1555011", "- not covered");
        let range = [&[0x30, 0x10, 0xa1, 0x0e, 0x30, 0x0c, 0x16, 0x07][..], b"1555010", &[0x02, 0x01, 0x0a]].concat();
        check(&range, "1555019", "- covered");
        check(&range, "1555020", "- not covered");
        check(&range, "01555019", "- not covered");
        check(&[0x30, 0x00], "1", "- covered");
        for cut in 1..range.len() {
            check(&range[..cut], "1555019", "unreadable");
        }
    }
}
