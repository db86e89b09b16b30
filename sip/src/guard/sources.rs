//! What is remembered of each source, and of how many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::bucket::Bucket;
use super::{GuardConfig, PROBE_FORGOTTEN};

#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub calls: Bucket,
    /// 503s.
    pub refusals: Bucket,
    pub messages: Bucket,
    probes: u32,
    /// Until when the probes are counted off.
    probed: Instant,
    silenced_until: Option<Instant>,
}

impl Source {
    fn new(now: Instant) -> Self {
        let bucket = Bucket::full(now);
        Self { calls: bucket, refusals: bucket, messages: bucket, probes: 0, probed: now, silenced_until: None }
    }

    pub fn is_silenced(&self, now: Instant) -> bool {
        self.silenced_until.is_some_and(|until| now < until)
    }

    /// It begins anew afterwards.
    pub fn silence(&mut self, now: Instant, config: &GuardConfig) {
        self.silenced_until = Some(now + config.silence);
        self.probes = 0;
    }

    /// It asked for something that is no call.
    pub fn probe(&mut self, now: Instant, config: &GuardConfig) {
        let forgotten = now.saturating_duration_since(self.probed).as_secs() / PROBE_FORGOTTEN.as_secs();
        if forgotten > 0 {
            self.probes = self.probes.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
            self.probed = now;
        }
        if self.probes == 0 {
            self.probed = now;
        }
        self.probes += 1;
        if self.probes >= config.probes {
            self.silence(now, config);
        }
    }
}

/// Two generations: when the younger is full, it becomes the older one, and who was in neither is forgotten. So whoever was heard of
/// among the last `max` sources is known, and none costs a search.
#[derive(Debug)]
pub(super) struct Sources {
    young: HashMap<IpAddr, Source>,
    old: HashMap<IpAddr, Source>,
    max: usize,
}

impl Sources {
    pub fn new(max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), max }
    }

    pub fn find(&mut self, now: Instant, address: IpAddr) -> &mut Source {
        if !self.young.contains_key(&address) {
            if self.young.len() >= self.max {
                self.old = std::mem::take(&mut self.young);
            }
            let source = self.old.remove(&address).unwrap_or_else(|| Source::new(now));
            self.young.insert(address, source);
        }
        self.young.entry(address).or_insert_with(|| Source::new(now))
    }

    /// How many are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
