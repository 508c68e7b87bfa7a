//! Limits the number of connections, and chooses which connection to close when the limit is reached.
//!
//! A connection is *pending* until its first request, and *served* from then on, also while it is idle between
//! requests. Each kind has its own limit, so that clients that connect and send nothing, or never finish a TLS
//! handshake, compete only with each other.
//!
//! When the limit is reached, a new connection replaces one that waits for its client: an idle connection if there is
//! one, otherwise one whose client reads its response slowly. Among several candidates, the client with the most
//! connections loses the one that has waited longest. Connections that wait for the server keep their places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Unpoisoned;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::Progress;

/// Minimum limit of pending connections. A higher limit of served connections applies to pending ones too.
const PENDING: usize = 128;

/// How often a connection without a place checks for a free one. The end of another connection also wakes it.
const RETRY: Duration = Duration::from_millis(50);

/// The connection limits of an endpoint. Cheap to clone.
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
    /// A counter per client address, whose clones are held by the connections of that client.
    clients: HashMap<IpAddr, Arc<()>>,
}

struct Pool {
    limit: usize,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    /// Its strong count is one more than the client's number of connections.
    client: Arc<()>,
    progress: Progress,
}

impl Places {
    /// Creates the limits: `served` connections, and at least [`PENDING`] pending ones.
    pub(crate) fn new(served: usize) -> Self {
        let pool = |limit| Pool { limit, connections: HashMap::new() };
        let (pending, served) = (pool(served.max(PENDING)), pool(served));
        let pools = Mutex::new(Pools { pending, served, next: 0, clients: HashMap::new() });
        Self(Arc::new(Shared { pools, has_left: Notify::new() }))
    }

    /// Waits for a free place for a pending connection and takes it.
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

    /// Closes a connection that waits for its client, to free its file descriptor. Returns whether such a connection
    /// existed.
    pub(crate) fn free_one(&self) -> bool {
        let mut pools = self.0.pools.lock().unpoisoned();
        pools.pending.cut_one_off() || pools.served.cut_one_off()
    }
}

/// The place of a connection. Dropping it frees the place.
pub(crate) struct Place {
    places: Places,
    number: u64,
}

impl Place {
    /// Waits for a free served place and moves the connection there. Returns at once if the connection is already
    /// served.
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
    /// Returns whether there is room for another connection, after closing one if the limit is reached.
    fn has_room(&mut self) -> bool {
        self.connections.len() < self.limit || self.cut_one_off()
    }

    /// Closes the connection that the rules of this module choose. Returns whether such a connection existed.
    fn cut_one_off(&mut self) -> bool {
        let waiting = self.connections.iter().filter_map(|(number, connection)| {
            let waiting = connection.progress.waits()?;
            let most = Reverse(Arc::strong_count(&connection.client));
            Some((waiting.is_within_answer, most, waiting.since, *number))
        });
        let Some((.., number)) = waiting.min() else { return false };
        if let Some(connection) = self.connections.remove(&number) {
            tracing::debug!(
                "scrape connection closed: the connection limit is reached and a new client needs its place"
            );
            connection.progress.cut_off();
        }
        true
    }
}

/// Returns the address that identifies a client: an IPv4 address, or the /64 prefix of an IPv6 address.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        // A whole /64 is usually assigned to one client.
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
        // Lets a coarse clock advance.
        sleep(Duration::from_millis(2)).await;
        Connection { place, progress, task }
    }

    /// Returns a served connection whose response is complete unless `is_busy`.
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
    async fn a_connection_that_is_being_answered_keeps_its_place_and_others_wait() {
        let places = Places::new(1);
        let busy = served(&places, "10.0.0.1", true).await;
        let next = enter(&places, "10.0.0.2").await;
        next.progress.request_came();
        assert!(timeout(RETRY * 3, next.place.promote()).await.is_err());
        drop(busy);
        next.place.promote().await;
    }

    #[tokio::test]
    async fn silent_connections_compete_only_with_each_other() {
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
