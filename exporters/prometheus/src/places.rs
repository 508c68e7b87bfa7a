//! Places for connections, and which connection is closed when all places are taken.
//!
//! A connection is pending until its first request, and served from then on; idle connections between requests are
//! served ones. Each kind has places of its own, so that clients that connect and say nothing, or never finish a TLS
//! handshake, compete with each other only.
//!
//! When all places are taken, a new connection replaces one that waits for its client: an idle one if there is any, else
//! one whose client takes its answer slowly. Among several, it is one of the client with the most connections, and of
//! these the one that has waited longest. Connections that wait for us keep their places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Unpoisoned;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::Progress;

/// How many connections may be pending, unless more may be served.
const PENDING: usize = 128;

/// How often a connection without a place looks for one. It is also woken when another connection ends.
const RETRY: Duration = Duration::from_millis(50);

/// The places of an endpoint. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    pools: Mutex<Pools>,
    has_left: Notify,
}

struct Pools {
    pending: Pool,
    served: Pool,
    /// The number of the next connection.
    next: u64,
    /// What the connections of a client share, by its address.
    clients: HashMap<IpAddr, Arc<()>>,
}

struct Pool {
    limit: usize,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    /// As many of it exist as the client has connections, and one more.
    client: Arc<()>,
    progress: Progress,
}

impl Places {
    /// Creates places for this many served connections.
    pub(crate) fn new(served: usize) -> Self {
        let pool = |limit| Pool { limit, connections: HashMap::new() };
        let (pending, served) = (pool(served.max(PENDING)), pool(served));
        let pools = Mutex::new(Pools { pending, served, next: 0, clients: HashMap::new() });
        Self(Arc::new(Shared { pools, has_left: Notify::new() }))
    }

    /// Returns a place for a pending connection, once there is one.
    pub(crate) async fn enter(&self, peer: IpAddr, progress: &Progress) -> Place {
        loop {
            if let Some(place) = self.try_enter(peer, progress) {
                return place;
            }
            let _ = timeout(RETRY, self.0.has_left.notified()).await;
        }
    }

    fn try_enter(&self, peer: IpAddr, progress: &Progress) -> Option<Place> {
        let mut pools = self.0.pools.lock().unpoisoned();
        let Pools { pending, served, next, clients } = &mut *pools;
        if !pending.has_room() {
            return None;
        }
        if clients.len() > pending.limit.saturating_add(served.limit) {
            clients.retain(|_, client| Arc::strong_count(client) > 1);
        }
        let client = clients.entry(client(peer)).or_default().clone();
        let number = *next;
        *next += 1;
        pending.connections.insert(number, Connection { client, progress: progress.clone() });
        Some(Place { places: self.clone(), number })
    }

    /// Closes a connection, so that its file descriptor is free. Returns whether one waited for its client.
    pub(crate) fn free_one(&self) -> bool {
        let mut pools = self.0.pools.lock().unpoisoned();
        pools.pending.cut_one_off() || pools.served.cut_one_off()
    }
}

/// The place of a connection. Free again when it is dropped.
pub(crate) struct Place {
    places: Places,
    number: u64,
}

impl Place {
    /// Makes the connection a served one, once there is a place. Returns at once if it is one already.
    pub(crate) async fn promote(&self) {
        while !self.try_promote() {
            let _ = timeout(RETRY, self.places.0.has_left.notified()).await;
        }
    }

    fn try_promote(&self) -> bool {
        let mut pools = self.places.0.pools.lock().unpoisoned();
        let Pools { pending, served, .. } = &mut *pools;
        if !pending.connections.contains_key(&self.number) {
            return true;
        }
        if !served.has_room() {
            return false;
        }
        let connection = pending.connections.remove(&self.number);
        served.connections.extend(connection.map(|connection| (self.number, connection)));
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Shared { pools, has_left } = &*self.places.0;
        let mut pools = pools.lock().unpoisoned();
        pools.pending.connections.remove(&self.number);
        pools.served.connections.remove(&self.number);
        has_left.notify_one();
    }
}

impl Pool {
    /// Returns whether there is room for another connection, and makes it if need be.
    fn has_room(&mut self) -> bool {
        self.connections.len() < self.limit || self.cut_one_off()
    }

    /// Closes the most dispensable connection. Returns whether there was one.
    fn cut_one_off(&mut self) -> bool {
        let waiting = self.connections.iter().filter_map(|(number, connection)| {
            let waiting = connection.progress.waits()?;
            let most = Reverse(Arc::strong_count(&connection.client));
            Some((waiting.is_within_answer, most, waiting.since, *number))
        });
        let Some((.., number)) = waiting.min() else { return false };
        if let Some(connection) = self.connections.remove(&number) {
            tracing::debug!("scrape connection closed: another one needs its place");
            connection.progress.cut_off();
        }
        true
    }
}

/// Returns an address, or the part of one that is assigned to a client as a whole.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        // A client that has one address of a /64 has all of them.
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{JoinHandle, spawn};
    use tokio::time::sleep;

    use super::*;

    struct Connection {
        place: Place,
        progress: Progress,
        task: JoinHandle<()>,
    }

    impl Connection {
        async fn was_cut_off(self) -> bool {
            sleep(Duration::from_millis(20)).await;
            self.task.is_finished()
        }
    }

    async fn enter(places: &Places, peer: &str) -> Connection {
        let progress = Progress::new();
        let place = places.enter(peer.parse().unwrap(), &progress).await;
        let task = spawn(std::future::pending());
        progress.served_by(task.abort_handle());
        // The clock may be coarse.
        sleep(Duration::from_millis(2)).await;
        Connection { place, progress, task }
    }

    /// A served connection, whose answer is done unless `is_busy`.
    async fn served(places: &Places, peer: &str, is_busy: bool) -> Connection {
        let connection = enter(places, peer).await;
        connection.progress.request_came();
        connection.place.promote().await;
        if !is_busy {
            connection.progress.answer_made();
        }
        sleep(Duration::from_millis(2)).await;
        connection
    }

    #[tokio::test]
    async fn the_connection_that_has_been_idle_the_longest_gives_way() {
        let places = Places::new(3);
        let busy = served(&places, "10.0.0.1", true).await;
        let oldest = served(&places, "10.0.0.2", false).await;
        let newer = served(&places, "10.0.0.3", false).await;
        let newest = served(&places, "10.0.0.4", true).await;
        assert!(oldest.was_cut_off().await);
        for connection in [busy, newer, newest] {
            assert!(!connection.was_cut_off().await);
        }
    }

    #[tokio::test]
    async fn the_client_with_the_most_connections_gives_way_first() {
        for (peers, other) in [
            (["10.0.0.2", "::ffff:10.0.0.2"], "10.0.0.1"),
            (["2001:db8::1", "2001:db8::ffff:1"], "2001:db8:0:1::1"),
        ] {
            let places = Places::new(3);
            let oldest = served(&places, other, false).await;
            let first = served(&places, peers[0], false).await;
            let second = served(&places, peers[1], false).await;
            let _new = served(&places, "10.9.9.9", false).await;
            assert!(!oldest.was_cut_off().await);
            assert!(first.was_cut_off().await);
            assert!(!second.was_cut_off().await);
        }
    }

    #[tokio::test]
    async fn who_is_being_answered_keeps_the_place_and_others_wait_for_it() {
        let places = Places::new(1);
        let busy = served(&places, "10.0.0.1", true).await;
        let next = enter(&places, "10.0.0.2").await;
        next.progress.request_came();
        assert!(timeout(RETRY * 3, next.place.promote()).await.is_err());
        drop(busy);
        next.place.promote().await;
    }

    #[tokio::test]
    async fn silent_connections_compete_with_each_other_only() {
        let places = Places::new(1);
        let idle = served(&places, "10.0.0.1", false).await;
        let mut silent = Vec::new();
        for _ in 0..=PENDING {
            silent.push(enter(&places, "10.0.0.2").await);
        }
        assert!(!idle.was_cut_off().await);
        assert!(silent.swap_remove(0).was_cut_off().await);
        assert!(!silent.swap_remove(0).was_cut_off().await);
    }
}
