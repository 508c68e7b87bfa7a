//! A thousand malformed requests neither stop the endpoint nor make it grow.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Connection, scrape};
use crate::served::{LONG, Served};
use meterkit_core::Registry;
use meterkit_fakes::own_process::rerun;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn;
use tokio::time::sleep;

const ROUNDS: u64 = 10;
const EACH: u64 = 100;
const CONNECTIONS: usize = 32;

/// Limit of memory growth in bytes: far more than the requests of one round leave behind, and far less than all
/// requests sent.
const GROWTH: u64 = 32 << 20;

/// Pseudorandom numbers that are the same in each run: xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 56) as u8).collect()
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// How a hostile client behaves after its request.
enum Then {
    /// Waits for the server to close the connection.
    Wait,
    /// Keeps sending a byte now and then.
    Drip,
    /// Closes its sending half, and waits.
    HalfClose,
    /// Closes the connection.
    Leave,
}

fn hostile(kind: u64, random: &mut Random) -> (Vec<u8>, Then) {
    let get = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
    let bytes = match kind {
        0 => {
            let length = 1 + random.below(4096);
            random.bytes(length)
        }
        1 => {
            // Far more than the maximum size of a head.
            let length = (17 << 10) + random.below(1 << 20) as usize;
            let start =
                random.one_of(&["GET /", "GET /metrics HTTP/1.1\r\nX-Big: ", "", "\r\n", "X"]);
            [start.as_bytes(), &vec![b'a'; length]].concat()
        }
        2 => {
            let lines = 2000 + random.below(20_000);
            let lines: String = (0..lines).map(|line| format!("x{line}: y\r\n")).collect();
            format!("{get}{lines}\r\n").into_bytes()
        }
        3 => {
            let method = random.one_of(&["", "get", "G\u{e9}T", "GET\0", "G(T", "\u{7f}", "GET\t"]);
            let version = random.one_of(&["HTTP/1.1", "HTTP/9.9", "HTTP", "", "http/1.1", "\0"]);
            format!("{method} /metrics {version}\r\nHost t\r\n\r\n").into_bytes()
        }
        4 => {
            let method = random.one_of(&["POST", "GET", "PUT", "BREW"]);
            let chunk =
                random.one_of(&["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nab", ";"]);
            let head = format!(
                "{method} /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
            );
            format!("{head}\r\n\r\n{chunk}").into_bytes()
        }
        5 => {
            let mut bytes = format!("{get}Accept: */*\r\n\r\n").into_bytes();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = 0;
            }
            bytes
        }
        6 => {
            let length = random.below(get.len() as u64) as usize;
            get.as_bytes()[..length].to_vec()
        }
        7 => random.one_of(&["", "G", "GET /metrics HTTP/1.1\r\nX: ", get]).into(),
        8 => {
            let lies = random.one_of(&[
                "Content-Length: -1",
                "Content-Length: 99999999999999999999999",
                "Content-Length: 1\r\nContent-Length: 2",
                "Content-Length: 1\r\nTransfer-Encoding: chunked",
                "Transfer-Encoding: gzip",
                " folded: x",
                "no colon",
                ": no name",
                "na me: x",
                "Upgrade: h2c\r\nConnection: upgrade",
                "Expect: 100-continue\r\nContent-Length: 1000000",
            ]);
            format!("POST /metrics HTTP/1.1\r\nHost: localhost\r\n{lies}\r\n\r\n").into_bytes()
        }
        _ => {
            let start = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
            let others = ["\u{16}\u{3}\u{1}\u{2}\0\u{1}", "SSH-2.0-x\r\n", "* OK\r\n", start];
            let noise = random.bytes(200);
            [random.one_of(&others).as_bytes(), &noise].concat()
        }
    };
    let then = match kind {
        6 => Then::Leave,
        7 => Then::Drip,
        _ if random.below(4) == 0 => Then::HalfClose,
        _ => Then::Wait,
    };
    (bytes, then)
}

/// Sends the bytes and checks that the connection ends. A response must blame the client, unless the server may ignore
/// the malformed part, such as a body.
async fn attack(address: SocketAddr, bytes: Vec<u8>, then: Then) {
    let mut connection = Connection::open(address).await;
    // The server may close the connection before everything is sent.
    let sent = connection.send(&bytes).await;
    match then {
        Then::Leave => return,
        Then::Wait => {}
        Then::HalfClose => drop(connection.stream.shutdown().await),
        Then::Drip => {
            while sent.is_ok() && connection.send("a").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let answer = connection.until_closed().await;
    if !answer.is_empty() {
        let first = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let is_known = ["HTTP/1.1 4", "HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.0 4"];
        let is_known = is_known.iter().any(|known| first.starts_with(known));
        assert!(is_known, "{first:?} for {:?}", String::from_utf8_lossy(&bytes));
    }
}

/// Returns the resident memory of this process in bytes, where the operating system reports it.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// Returns the number of open files of this process, including connections, where the operating system reports it.
fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

fn start() -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, |server| {
        let server = server.max_connections(CONNECTIONS);
        server.header_timeout(Duration::from_millis(200)).idle_timeout(Duration::from_millis(300))
    })
}

async fn round(address: SocketAddr, seed: u64) {
    let mut random = Random(seed);
    let attacks: Vec<_> = (0..EACH)
        .map(|number| {
            let (bytes, then) = hostile(number % 10, &mut random);
            spawn(attack(address, bytes, then))
        })
        .collect();
    for attacking in attacks {
        attacking.await.unwrap();
    }
    // Retry, because a scrape that stalls longer than the short timeouts above is rightly closed.
    for _ in 0..100 {
        if let Ok(answer) = scrape(address).await {
            assert_eq!(answer.exposition().value("hits_total", &[]), 7.0);
            return;
        }
    }
    panic!("no scrape works any more");
}

#[tokio::test]
async fn a_thousand_malformed_requests_neither_stop_the_endpoint_nor_grow_its_memory() {
    // Run in a separate process, because allocations of other tests would count.
    let name = "a_thousand_malformed_requests_neither_stop_the_endpoint_nor_grow_its_memory";
    if rerun(name, &[]).is_some() {
        return;
    }
    let served = start();
    // The first rounds make all allocations that are made once and kept.
    for warm_up in 1..=2 {
        round(served.address, warm_up).await;
    }
    let (memory, files) = (resident(), open_files());
    for seed in 1..=ROUNDS {
        round(served.address, seed * 7919).await;
    }
    // The last connections end once the server has noticed.
    for _ in 0..1000 {
        if open_files() <= files {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(open_files() <= files, "{:?} open files, {files:?} before", open_files());
    if let (Some(before), Some(after)) = (memory, resident()) {
        let growth = after.saturating_sub(before);
        assert!(growth < GROWTH, "grew by {growth} bytes, from {before} to {after}");
    }
    served.pipeline.shutdown(LONG).await.unwrap();
}
