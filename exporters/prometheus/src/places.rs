//! Places for connections, and which connection has to go when all places are taken.
//!
//! A connection that has not sent a request yet waits at the door, which has places of its own: clients that connect and
//! say nothing, or never finish a TLS handshake, only compete with each other. With its first request it comes inside.
//! A new connection always finds a place, unless each of the others waits for us: one that waits for its client gives
//! way. Idle ones go first, then those whose clients take their answers slowly; among them, one of the client that has
//! the most connections, and of these the one that has waited the longest.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Unpoisoned;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::Progress;

/// How many connections may wait for their first request, unless more may be served.
const AT_THE_DOOR: usize = 128;

/// How often a connection without a place looks for one. It is also woken when another connection ends.
const RETRY: Duration = Duration::from_millis(50);

/// The places of an endpoint. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    rooms: Mutex<Rooms>,
    has_left: Notify,
}

struct Rooms {
    door: Room,
    inside: Room,
    /// The number of the next connection.
    next: u64,
    /// What the connections of a client share, by its address.
    clients: HashMap<IpAddr, Arc<()>>,
}

struct Room {
    limit: usize,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    /// As many of it exist as the client has connections, and one more.
    client: Arc<()>,
    progress: Progress,
}

impl Places {
    /// Creates places for this many connections that are served.
    pub(crate) fn new(inside: usize) -> Self {
        let room = |limit| Room { limit, connections: HashMap::new() };
        let (door, inside) = (room(inside.max(AT_THE_DOOR)), room(inside));
        let rooms = Mutex::new(Rooms { door, inside, next: 0, clients: HashMap::new() });
        Self(Arc::new(Shared { rooms, has_left: Notify::new() }))
    }

    /// Returns a place at the door, once there is one.
    pub(crate) async fn enter(&self, peer: IpAddr, progress: &Progress) -> Place {
        loop {
            if let Some(place) = self.try_enter(peer, progress) {
                return place;
            }
            let _ = timeout(RETRY, self.0.has_left.notified()).await;
        }
    }

    fn try_enter(&self, peer: IpAddr, progress: &Progress) -> Option<Place> {
        let mut rooms = self.0.rooms.lock().unpoisoned();
        let Rooms { door, inside, next, clients } = &mut *rooms;
        if !door.has_room() {
            return None;
        }
        if clients.len() > door.limit.saturating_add(inside.limit) {
            clients.retain(|_, client| Arc::strong_count(client) > 1);
        }
        let client = clients.entry(client(peer)).or_default().clone();
        let number = *next;
        *next += 1;
        door.connections.insert(number, Connection { client, progress: progress.clone() });
        Some(Place { places: self.clone(), number })
    }

    /// Cuts a connection off, so that its file descriptor is free. Returns whether one waited for its client.
    pub(crate) fn free_one(&self) -> bool {
        let mut rooms = self.0.rooms.lock().unpoisoned();
        rooms.door.cut_one_off() || rooms.inside.cut_one_off()
    }
}

/// The place of a connection. Free again when it is dropped.
pub(crate) struct Place {
    places: Places,
    number: u64,
}

impl Place {
    /// Takes a place inside, once there is one. At once for a connection that is inside.
    pub(crate) async fn come_inside(&self) {
        while !self.try_come_inside() {
            let _ = timeout(RETRY, self.places.0.has_left.notified()).await;
        }
    }

    fn try_come_inside(&self) -> bool {
        let mut rooms = self.places.0.rooms.lock().unpoisoned();
        let Rooms { door, inside, .. } = &mut *rooms;
        if !door.connections.contains_key(&self.number) {
            return true;
        }
        if !inside.has_room() {
            return false;
        }
        let connection = door.connections.remove(&self.number);
        inside.connections.extend(connection.map(|connection| (self.number, connection)));
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Shared { rooms, has_left } = &*self.places.0;
        let mut rooms = rooms.lock().unpoisoned();
        rooms.door.connections.remove(&self.number);
        rooms.inside.connections.remove(&self.number);
        has_left.notify_one();
    }
}

impl Room {
    /// Returns whether there is room for another connection, and makes it if need be.
    fn has_room(&mut self) -> bool {
        self.connections.len() < self.limit || self.cut_one_off()
    }

    /// Cuts the most dispensable connection off. Returns whether there was one.
    fn cut_one_off(&mut self) -> bool {
        let waiting = self.connections.iter().filter_map(|(number, connection)| {
            let waiting = connection.progress.waits()?;
            let most = Reverse(Arc::strong_count(&connection.client));
            Some((waiting.is_within_answer, most, waiting.since, *number))
        });
        let Some((.., number)) = waiting.min() else { return false };
        if let Some(connection) = self.connections.remove(&number) {
            connection.progress.cut_off();
        }
        true
    }
}

/// Returns an address, or the part of one that is assigned to a client as a whole.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        // Whoever has one address of a /64 has all of them.
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

    /// A connection inside, whose answer is done unless `is_busy`.
    async fn inside(places: &Places, peer: &str, is_busy: bool) -> Connection {
        let connection = enter(places, peer).await;
        connection.progress.request_came();
        connection.place.come_inside().await;
        if !is_busy {
            connection.progress.answer_made();
        }
        sleep(Duration::from_millis(2)).await;
        connection
    }

    #[tokio::test]
    async fn the_connection_that_has_been_idle_the_longest_gives_way() {
        let places = Places::new(3);
        let busy = inside(&places, "10.0.0.1", true).await;
        let oldest = inside(&places, "10.0.0.2", false).await;
        let newer = inside(&places, "10.0.0.3", false).await;
        let newest = inside(&places, "10.0.0.4", true).await;
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
            let oldest = inside(&places, other, false).await;
            let first = inside(&places, peers[0], false).await;
            let second = inside(&places, peers[1], false).await;
            let _new = inside(&places, "10.9.9.9", false).await;
            assert!(!oldest.was_cut_off().await);
            assert!(first.was_cut_off().await);
            assert!(!second.was_cut_off().await);
        }
    }

    #[tokio::test]
    async fn who_is_being_answered_keeps_the_place_and_others_wait_for_it() {
        let places = Places::new(1);
        let busy = inside(&places, "10.0.0.1", true).await;
        let next = enter(&places, "10.0.0.2").await;
        next.progress.request_came();
        assert!(timeout(RETRY * 3, next.place.come_inside()).await.is_err());
        drop(busy);
        next.place.come_inside().await;
    }

    #[tokio::test]
    async fn silent_connections_compete_with_each_other_only() {
        let places = Places::new(1);
        let idle = inside(&places, "10.0.0.1", false).await;
        let mut silent = Vec::new();
        for _ in 0..=AT_THE_DOOR {
            silent.push(enter(&places, "10.0.0.2").await);
        }
        assert!(!idle.was_cut_off().await);
        assert!(silent.swap_remove(0).was_cut_off().await);
        assert!(!silent.swap_remove(0).was_cut_off().await);
    }
}
