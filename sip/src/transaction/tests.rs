//! Each machine stepped in virtual time past the end of each of its timers: data in, text out.

use std::time::{Duration, Instant};

use super::{Action, Client, InviteClient, InviteServer, Server, Times};
use crate::flow::Transport::{self, Tcp, Udp};

/// What the table tests need of a machine.
trait Machine {
    fn input(&mut self, now: Instant, word: &str);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_action(&mut self) -> Option<Action>;
    fn poll_timeout(&self) -> Option<Instant>;
}

macro_rules! machine {
    ($name:ty, |$machine:ident, $now:ident, $word:ident| $input:expr) => {
        impl Machine for $name {
            fn input(&mut self, $now: Instant, $word: &str) {
                let $machine = self;
                $input
            }
            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
            fn poll_action(&mut self) -> Option<Action> {
                self.poll_action()
            }
            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }
        }
    };
}

machine!(InviteClient, |machine, now, word| machine.handle_response(now, status(word)));
machine!(Client, |machine, now, word| machine.handle_response(now, status(word)));
machine!(InviteServer, |machine, now, word| match word {
    "again" => machine.handle_request(),
    "ack" => machine.handle_ack(now),
    _ => machine.send_response(now, status(word)),
});
machine!(Server, |machine, now, word| match word {
    "again" => machine.handle_request(),
    _ => machine.send_response(now, status(word)),
});

/// Any instant will do: nothing here waits.
#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

fn status(word: &str) -> u16 {
    word.parse().expect("a status code")
}

/// Runs `script` (`millisecond:input`, in order) and every deadline between and after, and compares what came out.
fn check(mut machine: impl Machine, start: Instant, script: &str, expected: &str) {
    let mut log = Vec::new();
    let mut inputs = script.split_whitespace().peekable();
    let mut now = start;
    loop {
        while let Some(action) = machine.poll_action() {
            log.push(format!("{}:{action:?}", (now - start).as_millis()));
        }
        let deadline = machine.poll_timeout();
        let input = inputs.peek().and_then(|entry| entry.split_once(':'));
        let input = input.map(|(at, word)| (start + Duration::from_millis(at.parse().expect("milliseconds")), word));
        match (deadline, input) {
            (Some(deadline), Some((at, _))) if deadline < at => {
                now = deadline;
                machine.handle_timeout(now);
            }
            (_, Some((at, word))) => {
                now = at;
                machine.input(now, word);
                inputs.next();
            }
            (Some(deadline), None) => {
                now = deadline;
                machine.handle_timeout(now);
            }
            (None, None) => break,
        }
    }
    assert_eq!(log.join(" "), expected, "script {script:?}");
}

fn invite_client(transport: Transport, script: &str, expected: &str) {
    let start = epoch();
    check(InviteClient::new(start, Times::default(), transport), start, script, expected);
}

fn client(transport: Transport, script: &str, expected: &str) {
    let start = epoch();
    check(Client::new(start, Times::default(), transport), start, script, expected);
}

fn invite_server(transport: Transport, script: &str, expected: &str) {
    let start = epoch();
    check(InviteServer::new(Times::default(), transport), start, script, expected);
}

fn server(transport: Transport, script: &str, expected: &str) {
    let start = epoch();
    check(Server::new(Times::default(), transport), start, script, expected);
}

#[test]
fn timer_a_doubles_without_bound_and_timer_b_gives_up() {
    invite_client(
        Udp,
        "",
        "0:Send 500:Resend 1500:Resend 3500:Resend 7500:Resend 15500:Resend 31500:Resend 32000:TimedOut 32000:Terminated",
    );
}

#[test]
fn reliable_invite_is_sent_once() {
    invite_client(Tcp, "", "0:Send 32000:TimedOut 32000:Terminated");
}

#[test]
fn provisional_stops_timers_a_and_b() {
    invite_client(Udp, "600:100 700:180", "0:Send 500:Resend 600:Deliver 700:Deliver");
}

#[test]
fn refusal_is_acked_each_time_it_comes_until_timer_d() {
    invite_client(Udp, "100:486 600:486 600:180", "0:Send 100:Ack 100:Deliver 600:Ack 32100:Terminated");
    invite_client(Tcp, "100:100 200:603", "0:Send 100:Deliver 200:Ack 200:Deliver 200:Terminated");
}

#[test]
fn every_2xx_is_delivered_until_timer_m() {
    invite_client(
        Udp,
        "100:180 200:200 700:200 900:486 32199:200 32300:200",
        "0:Send 100:Deliver 200:Deliver 700:Deliver 32199:Deliver 32200:Terminated",
    );
    invite_client(Tcp, "200:200", "0:Send 200:Deliver 32200:Terminated");
}

#[test]
fn timer_e_doubles_up_to_t2_and_timer_f_gives_up() {
    client(
        Udp,
        "",
        "0:Send 500:Resend 1500:Resend 3500:Resend 7500:Resend 11500:Resend 15500:Resend 19500:Resend 23500:Resend \
         27500:Resend 31500:Resend 32000:TimedOut 32000:Terminated",
    );
    client(Tcp, "", "0:Send 32000:TimedOut 32000:Terminated");
}

#[test]
fn provisional_slows_timer_e_to_t2() {
    client(
        Udp,
        "600:100 20000:200",
        "0:Send 500:Resend 600:Deliver 1500:Resend 5500:Resend 9500:Resend 13500:Resend 17500:Resend 20000:Deliver \
         25000:Terminated",
    );
}

#[test]
fn timer_k_absorbs_repeated_answers() {
    client(Udp, "100:481 4000:481", "0:Send 100:Deliver 5100:Terminated");
    client(Tcp, "100:200", "0:Send 100:Deliver 100:Terminated");
}

#[test]
fn timer_g_doubles_up_to_t2_and_timer_h_gives_up() {
    invite_server(
        Udp,
        "0:486",
        "0:Send 500:Resend 1500:Resend 3500:Resend 7500:Resend 11500:Resend 15500:Resend 19500:Resend 23500:Resend \
         27500:Resend 31500:Resend 32000:TimedOut 32000:Terminated",
    );
    invite_server(Tcp, "0:486", "0:Send 32000:TimedOut 32000:Terminated");
}

#[test]
fn ack_ends_the_repetition_and_timer_i_absorbs_more_acks() {
    invite_server(
        Udp,
        "0:100 10:486 600:again 700:ack 800:again 900:ack",
        "0:Send 10:Send 510:Resend 600:Resend 5700:Terminated",
    );
    invite_server(Tcp, "0:486 700:ack", "0:Send 700:Terminated");
}

#[test]
fn invite_again_repeats_the_last_provisional() {
    invite_server(
        Udp,
        "1:100 500:again 600:180 1500:again 2000:200",
        "1:Send 500:Resend 600:Send 1500:Resend 2000:Send 34000:Terminated",
    );
}

#[test]
fn timer_l_absorbs_invites_and_lets_repeated_2xx_through() {
    invite_server(Udp, "0:200 400:again 500:200 600:ack 700:486 800:180", "0:Send 500:Send 600:Deliver 32000:Terminated");
    invite_server(Tcp, "0:200", "0:Send 32000:Terminated");
}

#[test]
fn timer_j_repeats_the_answer_on_request() {
    server(Udp, "0:again 5:100 10:again 20:200 600:again 700:500", "5:Send 10:Resend 20:Send 600:Resend 32020:Terminated");
    server(Tcp, "20:200", "20:Send 20:Terminated");
}

/// With a patience of 4 s.
fn impatient(transport: Transport, script: &str, expected: &str) {
    let start = epoch();
    let machine = InviteClient::new(start, Times::default(), transport).with_patience(start, Duration::from_secs(4));
    check(machine, start, script, expected);
}

#[test]
fn an_invite_that_nobody_waits_for_is_ended_whatever_comes() {
    let given_up = "0:Send 500:Resend 1500:Resend 3500:Resend 4000:TimedOut";
    impatient(Udp, "", &format!("{given_up} 32000:Terminated"));
    impatient(Tcp, "", "0:Send 4000:TimedOut 32000:Terminated");
    // It rings: called back once, and that is waited for as long as for any CANCEL.
    impatient(Udp, "9000:180 9500:183 10000:487", &format!("{given_up} 9000:Cancel 10000:Ack 42000:Terminated"));
    impatient(Udp, "9000:100", &format!("{given_up} 9000:Cancel 41000:Terminated"));
    // It is answered: that is told each time, and refused ones get their ACK.
    impatient(Udp, "9000:200 9500:200", &format!("{given_up} 9000:Deliver 9500:Deliver 41000:Terminated"));
    impatient(Udp, "9000:180 9100:200", &format!("{given_up} 9000:Cancel 9100:Deliver 41100:Terminated"));
    impatient(Udp, "9000:503 9500:503", &format!("{given_up} 9000:Ack 9500:Ack 41000:Terminated"));
}

#[test]
fn any_word_is_enough_for_patience() {
    impatient(
        Udp,
        "3900:100 50000:180 60000:486",
        "0:Send 500:Resend 1500:Resend 3500:Resend 3900:Deliver 50000:Deliver 60000:Ack 60000:Deliver 92000:Terminated",
    );
    let start = epoch();
    let machine = InviteClient::new(start, Times::default(), Tcp).with_patience(start, Duration::from_secs(32));
    check(machine, start, "", "0:Send 32000:TimedOut 32000:Terminated");
}

#[test]
fn late_wake_up_does_not_shift_later_repetitions() {
    let start = epoch();
    let mut machine = InviteClient::new(start, Times::default(), Udp);
    machine.handle_timeout(start + Duration::from_millis(530));
    assert_eq!(machine.poll_timeout(), Some(start + Duration::from_millis(1500)));
}

#[test]
fn very_late_wake_up_repeats_once() {
    let start = epoch();
    let mut machine = InviteClient::new(start, Times::default(), Udp);
    while machine.poll_action().is_some() {}
    machine.handle_timeout(start + Duration::from_millis(20_000));
    assert_eq!(machine.poll_action(), Some(Action::Resend));
    assert_eq!(machine.poll_action(), None);
    assert!(machine.poll_timeout() > Some(start + Duration::from_millis(20_000)));
}
