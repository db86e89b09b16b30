//! How many connections there may be, in all and from one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sip::guard::source_of;

/// The places of all listeners. The lock is held for a look at a table, by tasks of one actor.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    per_source_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    pub fn new(max: usize, per_source_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_source_max, taken: Mutex::default() })
    }

    /// A place for a connection with this address.
    ///
    /// # Errors
    /// The reason's name in metrics.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, &'static str> {
        let source = source_of(address);
        let mut taken = self.lock();
        if taken.all >= self.max {
            return Err("tcp_connections");
        }
        let from_source = taken.by_source.entry(source).or_default();
        if *from_source >= self.per_source_max {
            return Err("tcp_connections_of_source");
        }
        *from_source += 1;
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), source })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(from_source) = taken.by_source.get_mut(&self.source) {
            *from_source -= 1;
            if *from_source == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_all_places() {
        let places = Places::new(4, 2);
        let take = |address: &str| places.take(address.parse().expect("an address"));
        let first = take("192.0.2.1");
        let _second = take("192.0.2.1").expect("two of two");
        assert_eq!(take("192.0.2.1").err(), Some("tcp_connections_of_source"));
        let _six = (take("2001:db8::1").expect("another"), take("2001:db8::ffff:2").expect("another"));
        assert_eq!(take("2001:db8:0:1::1").err(), Some("tcp_connections"));
        drop(first);
        assert_eq!(take("2001:db8::3").err(), Some("tcp_connections_of_source"), "of the same network");
        assert!(take("192.0.2.1").is_ok());
    }
}
