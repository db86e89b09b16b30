//! The section `[webrtc]`: the port of browsers' calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actors::config::WebRtcConfig;

use super::reader::Section;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);
/// A host with two families and an address for each network that it is in.
const ADVERTISED_MAX: usize = 8;

/// Address and port, or an address alone, whose port is the listener's.
fn told(text: &str, port: u16) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)));
    address.map_err(|_| format!("{text:?} is not an address (ip or ip:port)"))
}

pub(super) fn read_webrtc(mut section: Section<'_>) -> Option<WebRtcConfig> {
    let address = |text: &str| text.parse::<SocketAddr>().map_err(|_| format!("{text:?} is not an address (ip:port)"));
    let listen = section.one_or_more("listen", &[LISTEN], address);
    let port = listen.first().map_or(0, SocketAddr::port);
    let mut advertised = section.one_or_more("advertised", &[], |text| told(text, port));
    let listen = match listen[..] {
        [] => None,
        [listen] => Some(listen),
        _ => {
            section.refuse("listen", "is one address: all browsers share its port");
            None
        }
    };
    if advertised.len() > ADVERTISED_MAX {
        section.refuse("advertised", format!("has {} addresses, more than {ADVERTISED_MAX}", advertised.len()));
    }
    let unusable: Vec<String> = advertised.iter().filter(|one| one.ip().is_unspecified()).map(ToString::to_string).collect();
    for one in unusable {
        section.refuse("advertised", format!("browsers cannot send to {one}"));
    }
    if let Some(listen) = listen.filter(|_| advertised.is_empty()) {
        if listen.ip().is_unspecified() {
            section.refuse("advertised", format!("must be set when webrtc.listen is {listen}: browsers cannot send to it"));
        }
        advertised.push(listen);
    }
    section.finish();
    listen.map(|listen| WebRtcConfig { listen, advertised })
}
