//! The ways that a request of ours may take: which are there, which is first, and which is next when one fails.
//!
//! ```text
//! the connection that the peer was last seen on           as long as it stands, and is TLS if the dialog is secure
//! what RFC 3263 finds for the first route or the Contact  at most WAYS_MAX - 1, of what we speak
//! where the peer was last seen                            last: a proxy there has resolved the name, a NAT there knows the way
//! ```
//! A first INVITE has seen nobody: it takes what RFC 3263 finds for its next hop, or the one flow that it was given. A way fails by an
//! error of the transport, by silence, or by a 503 (RFC 3263 §4.3); for an INVITE that nobody rang for, by a 408 or 430 too.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::build::is_secure;
use super::clients::ClientUser;
use super::usages::{Cancel, Phase};
use super::{Endpoint, Listener};
use crate::flow::{Flow, Transport};
use crate::locate::{Family, Place, Target};
use crate::message::{Request, name};
use crate::uri::{Host, Uri};

/// Ways that one request takes at most: each may be silent for 32 s.
pub(super) const WAYS_MAX: usize = 4;

/// Requests above this go by TCP where UDP was meant (RFC 3261 §18.1.1): in fragments they would be lost more often, or always.
pub(super) const DATAGRAM_MAX: usize = 1_300;

/// One way to a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Way {
    pub flow: Flow,
    /// Whom a connection may be opened to; `None`: it must be open already.
    pub peer: Option<Host>,
    /// TCP was tried in its place, for a long request.
    pub at_any_length: bool,
}

impl Way {
    /// To a peer that may be connected to.
    pub fn to(flow: Flow, peer: Host) -> Self {
        Self { flow, peer: Some(peer), at_any_length: false }
    }

    /// Back to where a peer was seen.
    pub fn seen(flow: Flow) -> Self {
        Self { flow, peer: None, at_any_length: false }
    }
}

/// What a request does when its way has failed.
#[derive(Clone, Debug)]
pub(super) enum Rest {
    /// Takes the next of these.
    Ways(VecDeque<Way>),
    /// Nobody looked yet where else this URI leads.
    Unsought(Uri),
}

/// A request that waits until it is known where its URI leads.
#[derive(Debug)]
pub(super) struct Trip {
    request: Request,
    user: ClientUser,
    flown: Flown,
    /// `None`: the URI names no host that we could reach.
    place: Option<Place>,
}

/// Where a peer was seen, if it was, and whether that way is known to have failed.
#[derive(Clone, Copy, Debug)]
struct Flown {
    seen: Option<Flow>,
    failed: bool,
}

impl Endpoint {
    /// Sends a request of a dialog whose peer was last seen at `seen`, to its first route or target.
    pub(super) fn send_in_dialog(&mut self, now: Instant, seen: Flow, uri: Uri, mut request: Request, user: ClientUser) {
        self.authorize_request(user, &mut request);
        let in_the_clear = seen.transport != Transport::Tls && (is_secure(&request.uri) || is_secure(&uri));
        if seen.transport.is_reliable() && !in_the_clear {
            let id = self.send_request(now, Way::seen(seen), Rest::Unsought(uri), request, user);
            self.follow(user, id);
        } else {
            self.seek(now, Flown { seen: Some(seen), failed: false }, &uri, request, user);
        }
    }

    /// Sends an INVITE that begins a dialog, on the flow that it was given or to where its next hop leads.
    pub(super) fn send_first(&mut self, now: Instant, given: Option<Flow>, uri: &Uri, mut request: Request, user: ClientUser) {
        self.authorize_request(user, &mut request);
        match given {
            Some(flow) => {
                let way = Way::to(flow, flow.remote.ip().into());
                let id = self.send_request(now, way, Rest::Ways(VecDeque::new()), request, user);
                self.follow(user, id);
            }
            None => self.seek(now, Flown { seen: None, failed: false }, uri, request, user),
        }
    }

    /// Sends a request to where its URI leads, and to nowhere else.
    pub(super) fn send_out(&mut self, now: Instant, uri: Uri, request: Request, user: ClientUser) {
        self.seek(now, Flown { seen: None, failed: false }, &uri, request, user);
    }

    /// Where an ACK to a 2xx goes: it is answered by nobody and must not be late, so a name is not looked up for it.
    pub(super) fn ack_way(&self, seen: Flow, uri: &Uri) -> Way {
        let place = Place::of(uri).filter(|_| !seen.transport.is_reliable());
        let target = place.and_then(|place| Some((place.host.address()?, place)));
        let way = target.and_then(|(address, place)| {
            let transport = place.transport.unwrap_or(seen.transport);
            let port = place.port.unwrap_or(transport.default_port());
            self.way(Some(seen), Target { transport, address: (address, port).into() }, &place.host)
        });
        way.unwrap_or(Way::seen(seen))
    }

    /// The way of a request failed: it takes the next one, as a transaction of its own. False when there is none, or nobody waits for
    /// the request any more.
    pub(super) fn fail_over(&mut self, now: Instant, id: u64) -> bool {
        let Some(transaction) = self.clients.table.get_mut(&id) else {
            return false;
        };
        let (user, flow) = (transaction.user, transaction.transmit.flow);
        let rest = std::mem::replace(&mut transaction.rest, Rest::Ways(VecDeque::new()));
        let mut request = transaction.request.clone();
        self.locator.handle_failure(now, Target { transport: flow.transport, address: flow.remote });
        if !self.is_wanted(user) {
            return false;
        }
        request.headers.remove_first(name::VIA);
        match rest {
            Rest::Unsought(uri) => {
                self.release(id);
                self.seek(now, Flown { seen: Some(flow), failed: true }, &uri, request, user);
            }
            Rest::Ways(mut ways) => {
                let Some(way) = ways.pop_front() else {
                    return false;
                };
                self.release(id);
                let next = self.send_request(now, way, Rest::Ways(ways), request, user);
                self.follow(user, next);
            }
        }
        true
    }

    /// A search has ended, or more than one: their requests are sent.
    pub(super) fn take_found(&mut self, now: Instant) {
        while let Some((id, targets)) = self.locator.poll_found() {
            if let Some(trip) = self.trips.remove(&id) {
                self.depart(now, trip, targets);
            }
        }
    }

    /// Whoever waits for a request waits for this transaction of it now.
    pub(super) fn follow(&mut self, user: ClientUser, client: u64) {
        match user {
            ClientUser::Invite(number) => self.follow_invite(number, client),
            ClientUser::Reinvite(number) => self.follow_reinvite(number, client),
            _ => {}
        }
    }

    /// The transaction goes on without its user, who waits for another one now.
    pub(super) fn release(&mut self, id: u64) {
        if let Some(transaction) = self.clients.table.get_mut(&id) {
            transaction.user = ClientUser::Nobody;
        }
    }

    fn seek(&mut self, now: Instant, flown: Flown, uri: &Uri, request: Request, user: ClientUser) {
        // What is to be secured all the way is not sent to a proxy in the clear (RFC 5630 §5.1.1).
        let place = Place::of(uri).map(|place| if is_secure(&request.uri) { place.secured() } else { place });
        let trip = Trip { request, user, flown, place: place.clone() };
        let Some(place) = place else {
            return self.depart(now, trip, Vec::new());
        };
        let id = self.next_number();
        self.trips.insert(id, trip);
        self.locator.locate(now, id, place, &mut self.random);
        self.take_found(now);
    }

    /// Sends a request on the first of its ways, now that they are known.
    fn depart(&mut self, now: Instant, trip: Trip, targets: Vec<Target>) {
        let Trip { request, user, flown: Flown { seen, failed }, place } = trip;
        if !self.is_wanted(user) {
            return;
        }
        let secure = place.as_ref().is_some_and(|place| place.secure);
        let peer = place.map(|place| place.host);
        let found = targets.into_iter().filter(|target| !secure || target.transport == Transport::Tls);
        let mut ways: VecDeque<Way> = found.filter_map(|target| self.way(seen, target, peer.as_ref()?)).collect();
        let back = seen
            .filter(|seen| !failed && (!secure || seen.transport == Transport::Tls) && ways.iter().all(|way| way.flow != *seen));
        ways.truncate(WAYS_MAX - usize::from(back.is_some()));
        ways.extend(back.map(Way::seen));
        match ways.pop_front() {
            Some(first) => {
                let id = self.send_request(now, first, Rest::Ways(ways), request, user);
                self.follow(user, id);
            }
            None => self.fail_user(now, user),
        }
    }

    /// Whether anybody still waits for a request's answer.
    pub(super) fn is_wanted(&self, user: ClientUser) -> bool {
        match user {
            ClientUser::Bye(number) | ClientUser::Notify(number) | ClientUser::Refer(number) => {
                self.usages.table.contains_key(&number)
            }
            ClientUser::Invite(number) => {
                let phase = self.usages.table.get(&number).map(|usage| &usage.phase);
                matches!(phase, Some(Phase::Inviting { cancel: Cancel::No, .. }))
            }
            ClientUser::Reinvite(number) => self.usages.table.get(&number).is_some_and(|usage| usage.reinvite.is_some()),
            ClientUser::Update(number) => self.usages.table.get(&number).is_some_and(|usage| usage.is_refreshing),
            ClientUser::Nobody => true,
            ClientUser::Outside(number) => self.outsides.contains_key(&number),
        }
    }

    /// How we reach a target; `None` when it cannot be meant for us, or we do not speak its transport.
    ///
    /// A private address of a public peer is one behind a NAT: nothing of ours would arrive.
    fn way(&self, seen: Option<Flow>, target: Target, peer: &Host) -> Option<Way> {
        let address = target.address.ip().to_canonical();
        let all = IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_unspecified()
            || address.is_multicast()
            || address == all
            || (is_private(address) && seen.is_some_and(|seen| !is_private(seen.remote.ip())))
        {
            return None;
        }
        let same = seen.filter(|seen| target.transport == seen.transport && address.is_ipv4() == seen.remote.is_ipv4());
        // Without a flow of before, a peer on this machine is reached from a listener on its own address.
        let near = seen.map_or(address, |seen| seen.local.ip());
        let listener = self.config.listener(target.transport, Family::of(address), near).map(|listener| listener.local);
        let local = same.map(|seen| seen.local).or(listener);
        let flow = Flow { transport: target.transport, local: local?, remote: target.address };
        Some(Way::to(flow, peer.clone()))
    }

    /// By TCP instead, for a request that is too long for a datagram.
    pub(super) fn way_for_length(&self, way: &Way, length: usize) -> Option<Way> {
        let flow = way.flow;
        if flow.transport.is_reliable() || way.at_any_length || length <= DATAGRAM_MAX {
            return None;
        }
        let listener = self.config.listener(Transport::Tcp, Family::of(flow.remote.ip()), flow.local.ip())?;
        let flow = Flow { transport: Transport::Tcp, local: listener.local, remote: flow.remote };
        Some(Way::to(flow, flow.remote.ip().into()))
    }
}

/// What [`Endpoint`] speaks, the preferred first; each family once.
pub(super) fn reach(listeners: &[Listener]) -> Vec<(Transport, Family)> {
    let mut reach = Vec::new();
    for listener in listeners {
        let one = (listener.transport, Family::of(listener.local.ip()));
        if !reach.contains(&one) {
            reach.push(one);
        }
    }
    reach
}

/// An address that means something in one network only.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}
