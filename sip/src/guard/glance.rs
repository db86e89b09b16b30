//! What a message is, from its first words: no allocation, no check, and never more than its head.

/// Octets looked at: a head is a few hundred, and a scanner's too.
const HEAD_MAX: usize = 8_192;

/// Names of programs that look for open servers, in small letters; they are parts of a User-Agent.
const SCANNERS: &[&str] = &[
    "friendly-request",
    "friendly-scanner",
    "iwar",
    "pplsip",
    "sip-scan",
    "siparmyknife",
    "sipcli",
    "sipscan",
    "sipvicious",
    "smap",
    "sundayddr",
    "vaxasip",
    "vaxsipuseragent",
];

#[derive(Debug, Default)]
pub(super) struct Glance<'a> {
    /// The first word.
    pub method: &'a [u8],
    /// The first Call-ID.
    pub call_id: Option<&'a str>,
    user_agent: Option<&'a [u8]>,
}

impl<'a> Glance<'a> {
    pub fn at(message: &'a [u8]) -> Self {
        let mut lines = message[..message.len().min(HEAD_MAX)].split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.by_ref().find(|line| !line.is_empty()).unwrap_or_default();
        let mut glance = Self { method: first.split(|octet| *octet == b' ').next().unwrap_or_default(), ..Self::default() };
        for line in lines.take_while(|line| !line.is_empty()) {
            // Most lines begin with none of these.
            if !matches!(line[0], b'C' | b'c' | b'I' | b'i' | b'U' | b'u') {
                continue;
            }
            let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if glance.call_id.is_none() && (name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i")) {
                glance.call_id = std::str::from_utf8(value).ok();
            } else if name.eq_ignore_ascii_case(b"user-agent") {
                glance.user_agent = Some(value);
            }
        }
        glance
    }

    /// It says itself that it is one.
    pub fn is_scanner(&self) -> bool {
        let Some(user_agent) = self.user_agent else { return false };
        let named = |scanner: &&str| user_agent.windows(scanner.len()).any(|part| part.eq_ignore_ascii_case(scanner.as_bytes()));
        SCANNERS.iter().any(named)
    }

    /// A request that can begin no call and belongs to none, or no SIP at all. A response may be one to us.
    pub fn is_probe(&self) -> bool {
        !matches!(self.method, b"ACK" | b"BYE" | b"CANCEL" | b"PRACK") && self.method != b"SIP/2.0"
    }
}
