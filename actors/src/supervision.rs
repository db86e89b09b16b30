//! What happens when an actor dies, as data: one row an actor, and the budget that applies it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::kind::ActorKind;

/// What a parent does with a dead child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It stays dead; what it did ends.
    Never,
    /// It is started again, at most `most` times in `window`, each time after `delay` times the deaths counted in the window.
    Within {
        /// Deaths forgiven in the window.
        most: usize,
        /// Span over which deaths are counted.
        window: Duration,
        /// Wait before the first restart; the second waits twice as long, and so on.
        delay: Duration,
    },
}

/// What happens when the row's budget is used up, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// Legs are hung up and the record gets cause `crashed`.
    CrashCall,
    /// The call is ended in good order.
    EndCall,
    /// The process exits with an error; the service manager starts it anew.
    ExitProcess,
    /// The offline engine apologises and hangs up.
    FallBack,
    /// The call goes on without it, and the record says so.
    GoOn,
    /// The calls in it go on alone, each with its agent; who has none is hung up.
    PartGuests,
}

/// One row of the restart table.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The child.
    pub actor: ActorKind,
    /// Whether it is started again.
    pub restart: Restart,
    /// What else.
    pub otherwise: Otherwise,
}

static DEATHS: [AtomicU64; ActorKind::ALL.len()] = [const { AtomicU64::new(0) }; ActorKind::ALL.len()];

/// Counts a death, as `offhook_actor_restarts_total` too.
pub(crate) fn count_death(kind: ActorKind) {
    DEATHS[kind as usize].fetch_add(1, Relaxed);
    metrics::counter!("offhook_actor_restarts_total", "actor" => kind.name()).increment(1);
}

/// How often actors of a kind have died since the process began.
pub fn deaths(kind: ActorKind) -> u64 {
    DEATHS[kind as usize].load(Relaxed)
}

const MINUTE: Duration = Duration::from_secs(60);
const AT_ONCE: Duration = Duration::ZERO;

/// The restart table. Media actors restart at once, since each tick without them is heard; so do the Store and Calls, since what they
/// are told meanwhile is lost. The SipEndpoint waits for its sockets to be free again, and a Trunk must not flood its registrar.
pub const POLICIES: [Policy; 11] = [
    Policy {
        actor: ActorKind::Store,
        restart: Restart::Within { most: 5, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::ExitProcess,
    },
    Policy {
        actor: ActorKind::SipEndpoint,
        restart: Restart::Within { most: 5, window: MINUTE, delay: Duration::from_millis(50) },
        otherwise: Otherwise::ExitProcess,
    },
    Policy {
        actor: ActorKind::Calls,
        restart: Restart::Within { most: 3, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::ExitProcess,
    },
    Policy {
        actor: ActorKind::Trunk,
        restart: Restart::Within { most: 5, window: MINUTE, delay: Duration::from_secs(1) },
        otherwise: Otherwise::GoOn,
    },
    Policy { actor: ActorKind::Call, restart: Restart::Never, otherwise: Otherwise::CrashCall },
    Policy {
        actor: ActorKind::Conference,
        restart: Restart::Within { most: 2, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::PartGuests,
    },
    Policy { actor: ActorKind::Leg, restart: Restart::Never, otherwise: Otherwise::EndCall },
    Policy {
        actor: ActorKind::JitterBuffer,
        restart: Restart::Within { most: 5, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::EndCall,
    },
    Policy {
        actor: ActorKind::Vad,
        restart: Restart::Within { most: 5, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::EndCall,
    },
    Policy {
        actor: ActorKind::AiSession,
        restart: Restart::Within { most: 2, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::FallBack,
    },
    Policy {
        actor: ActorKind::Recorder,
        restart: Restart::Within { most: 3, window: MINUTE, delay: AT_ONCE },
        otherwise: Otherwise::GoOn,
    },
];

/// The row of an actor; `None` for the root, which has no parent.
pub fn policy(actor: ActorKind) -> Option<&'static Policy> {
    POLICIES.iter().find(|row| row.actor == actor)
}

/// What the table says after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this wait.
    RestartAfter(Duration),
    /// It stays dead.
    Stop(Otherwise),
}

/// Deaths of one child, held against its row.
#[derive(Debug)]
pub struct Budget {
    policy: &'static Policy,
    deaths: VecDeque<Instant>,
}

impl Budget {
    /// A budget with no death yet.
    pub fn new(actor: ActorKind) -> Self {
        Self { policy: policy(actor).expect("the restart table has a row for every child"), deaths: VecDeque::new() }
    }

    /// Notes a death and says what follows.
    pub fn handle_death(&mut self, now: Instant) -> Verdict {
        let Restart::Within { most, window, delay } = self.policy.restart else {
            return Verdict::Stop(self.policy.otherwise);
        };
        while self.deaths.front().is_some_and(|death| now.duration_since(*death) >= window) {
            self.deaths.pop_front();
        }
        if self.deaths.len() >= most {
            return Verdict::Stop(self.policy.otherwise);
        }
        self.deaths.push_back(now);
        Verdict::RestartAfter(delay * u32::try_from(self.deaths.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deaths at these seconds -> what the table says each time.
    fn check(actor: ActorKind, deaths: &[u64], expected: &str) {
        let start = Instant::now();
        let mut budget = Budget::new(actor);
        let said: Vec<String> = deaths
            .iter()
            .map(|second| match budget.handle_death(start + Duration::from_secs(*second)) {
                Verdict::RestartAfter(wait) => format!("{second}:restart+{}", wait.as_millis()),
                Verdict::Stop(otherwise) => format!("{second}:{otherwise:?}"),
            })
            .collect();
        assert_eq!(said.join(" "), expected);
    }

    #[test]
    fn a_leg_is_never_restarted() {
        check(ActorKind::Leg, &[0], "0:EndCall");
    }

    #[test]
    fn an_engine_past_its_budget_falls_back() {
        check(ActorKind::AiSession, &[0, 1, 2], "0:restart+0 1:restart+0 2:FallBack");
    }

    #[test]
    fn a_conference_that_dies_again_and_again_parts_its_guests() {
        check(ActorKind::Conference, &[0, 1, 2], "0:restart+0 1:restart+0 2:PartGuests");
    }

    #[test]
    fn old_deaths_are_forgiven() {
        check(ActorKind::AiSession, &[0, 1, 61, 62], "0:restart+0 1:restart+0 61:restart+0 62:restart+0");
    }

    #[test]
    fn the_endpoint_backs_off_and_then_the_process_ends() {
        let expected = "0:restart+50 1:restart+100 2:restart+150 3:restart+200 4:restart+250 5:ExitProcess";
        check(ActorKind::SipEndpoint, &[0, 1, 2, 3, 4, 5], expected);
    }

    #[test]
    fn every_actor_but_the_root_has_one_row() {
        for kind in ActorKind::ALL {
            let rows = POLICIES.iter().filter(|row| row.actor == kind).count();
            assert_eq!(rows, usize::from(kind != ActorKind::Node), "{}", kind.name());
        }
    }
}
