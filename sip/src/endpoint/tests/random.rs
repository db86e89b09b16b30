//! Random steps: whatever the peer and the user do in whatever order, nothing panics, each dialog ends once, and nothing
//! is left when all are hung up.

use proptest::prelude::*;

use super::*;

const STEPS: &[&str] = &[
    "INVITE",
    "INVITE/sdp",
    "INVITE/new",
    "INVITE/branch=1",
    "INVITE/new/cseq=1",
    "ACK",
    "ACK/same",
    "ACK/sdp",
    "CANCEL",
    "BYE",
    "BYE/tag=x",
    "BYE/cseq=1",
    "INFO",
    "OPTIONS",
    "OPTIONS/new",
    "REFER",
    "REFER/header=Refer-To:_<sip:c@d>",
    "REFER/header=Refer-To:_<sip:c@d>/header=Refer-Sub:_false",
    "SUBSCRIBE/header=Event:_refer/header=Expires:_0",
    "NOTIFY/header=Event:_refer/frag=100",
    "NOTIFY/header=Event:_refer/frag=200/header=Subscription-State:_terminated",
    "refer",
    "refer/quiet",
    "accept",
    "decline",
    "report:180",
    "report:200",
    "200/to=NOTIFY",
    "481/to=NOTIFY",
    "202/to=REFER",
    "603/to=REFER",
    "again",
    "100",
    "180",
    "180/sdp",
    "200",
    "200/tag=c",
    "302",
    "487",
    "603",
    "100/to=BYE",
    "200/to=BYE",
    "481/to=BYE",
    "200/to=CANCEL",
    "200/to=ACK",
    "ring",
    "answer",
    "hangup",
    "refuse:486",
    "refuse:200",
    "invite",
    "invite:empty",
    "progress",
    "reinvite",
    "reinvite:empty",
    "answer:update",
    "refuse:update",
    "INVITE/sdp/header=Require:_100rel",
    "INVITE/sdp/header=Supported:_timer/header=Session-Expires:_100",
    "PRACK/rack",
    "PRACK/rack/sdp",
    "UPDATE",
    "UPDATE/sdp",
    "180/rseq=1",
    "183/rseq=2/sdp",
    "200/sdp",
    "200/sdp/header=Session-Expires:_100;refresher=uac/header=Allow:_UPDATE",
    "200/to=UPDATE",
    "481/to=UPDATE",
    "422/header=Min-SE:_200",
    "491",
    "500/header=Retry-After:_1",
    "+60000",
    "gone",
    "+100",
    "+500",
    "+4000",
    "+40000",
];

/// Dialogs by how often they were named and how often they ended.
fn run(transport: Transport, steps: &[usize]) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(EndpointConfig::default(), transport);
    let mut named = HashMap::<DialogId, usize>::new();
    let mut words = Vec::new();
    for step in steps {
        let step = STEPS[*step];
        if !bench.can(step) {
            continue;
        }
        words.extend(bench.step(step).split([' ', ':']).map(str::to_owned));
        if let Some(dialog) = &bench.dialog {
            *named.entry(dialog.clone()).or_default() += 1;
        }
    }
    for dialog in named.keys() {
        bench.endpoint.hang_up(bench.now, dialog, None);
        words.extend(bench.drain());
    }
    words.extend(bench.pass(Duration::from_secs(300)).split([' ', ':']).map(str::to_owned));
    let count = |name: &str| words.iter().filter(|word| *word == name).count();
    let begun = count("Invited") + steps.iter().filter(|step| STEPS[**step].starts_with("invite")).count();
    prop_assert_eq!(count("Terminated"), begun);
    prop_assert!(bench.endpoint.is_idle(), "left: {:?}", bench.endpoint);
    Ok(())
}

impl Bench {
    /// Whether a step has what it needs: a dialog to command, a request to answer or repeat.
    fn can(&self, step: &str) -> bool {
        let ours = ["ring", "progress", "hangup", "answer", "refuse", "reinvite", "accept", "decline", "refer", "report"];
        let commands = ours.iter().any(|command| step.starts_with(command));
        let answers = step.starts_with(|first: char| first.is_ascii_digit());
        let answered = step.rsplit_once("to=").map_or("INVITE", |(_, method)| method);
        (!commands || self.dialog.is_some())
            && (!answers || self.sent.contains_key(answered))
            && (step != "again" || !self.last_request.is_empty())
    }
}

proptest! {
    #[test]
    fn any_steps_over_udp_end_every_dialog_once(steps in prop::collection::vec(0..STEPS.len(), 0..40)) {
        run(Transport::Udp, &steps)?;
    }

    #[test]
    fn any_steps_over_tcp_end_every_dialog_once(steps in prop::collection::vec(0..STEPS.len(), 0..40)) {
        run(Transport::Tcp, &steps)?;
    }

    #[test]
    fn any_damage_to_a_message_is_survived(
        before in prop::sample::select(vec!["INVITE", "INVITE answer", "INVITE answer ACK", "invite", "invite 180"]),
        step in prop::sample::select(vec!["INVITE/sdp", "BYE", "INFO", "CANCEL", "ACK", "200", "486"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
        bench.run(before);
        prop_assume!(bench.can(step));
        let first = bench.dialog.clone();
        let text = match step.starts_with(|first: char| first.is_ascii_digit()) {
            true => bench.peer_response(step, ""),
            false => bench.peer_request(step, ""),
        };
        let mut bytes = text.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bench.endpoint.handle_receive(bench.now, bench.flow, &bytes);
        bench.drain();
        for dialog in first.iter().chain(&bench.dialog.clone()) {
            bench.endpoint.hang_up(bench.now, dialog, None);
            bench.drain();
        }
        bench.pass(Duration::from_secs(300));
        prop_assert!(bench.endpoint.is_idle(), "left: {:?}", bench.endpoint);
    }
}
