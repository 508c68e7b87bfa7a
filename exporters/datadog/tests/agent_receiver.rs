//! Fake agents: real sockets, each of which is read by a thread.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use meterkit_datadog::{AgentAddress, AgentConfig};

/// The transport of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Datagram,
    Stream,
}

pub(crate) const ALL: [Transport; 3] = [Transport::Udp, Transport::Datagram, Transport::Stream];

/// The place where an agent listens, whether it runs or not.
#[derive(Debug)]
pub(crate) struct ListenAddress {
    pub(crate) transport: Transport,
    directory: tempfile::TempDir,
    port: u16,
}

/// A running agent.
#[derive(Debug)]
pub(crate) struct Receiver {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
    path: PathBuf,
}

/// A socket that exists, but that nobody reads.
#[derive(Debug)]
pub(crate) enum Idle {
    Udp(UdpSocket),
    Datagram(UnixDatagram),
    Stream(UnixListener),
}

/// A reader that had nothing to read for this long has read everything, because these sockets deliver immediately.
const SILENCE: Duration = Duration::from_millis(50);

impl ListenAddress {
    pub(crate) fn new(transport: Transport) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        Self { transport, directory, port }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("dsd.socket")
    }

    pub(crate) fn address(&self) -> AgentAddress {
        let path = self.path();
        let text = match self.transport {
            Transport::Udp => format!("udp://127.0.0.1:{}", self.port),
            Transport::Datagram => format!("unixgram://{}", path.display()),
            Transport::Stream => format!("unixstream://{}", path.display()),
        };
        text.parse().expect("an address")
    }

    pub(crate) fn config(&self) -> AgentConfig {
        AgentConfig::new(self.address())
    }

    pub(crate) fn max_packet_bytes(&self) -> usize {
        if self.transport == Transport::Udp { 1432 } else { 8192 }
    }

    /// Listens without reading.
    pub(crate) fn listen(&self) -> Idle {
        let path = self.path();
        match self.transport {
            Transport::Udp => {
                Idle::Udp(UdpSocket::bind(("127.0.0.1", self.port)).expect("the port is free"))
            }
            Transport::Datagram => Idle::Datagram(UnixDatagram::bind(path).expect("a socket")),
            Transport::Stream => Idle::Stream(UnixListener::bind(path).expect("a socket")),
        }
    }

    /// Listens and reads.
    pub(crate) fn start(&self) -> Receiver {
        self.listen().start(&self.path())
    }
}

impl Idle {
    /// Starts to read.
    pub(crate) fn start(self, path: &Path) -> Receiver {
        let stop = Arc::new(AtomicBool::new(false));
        let is_told = stop.clone();
        let told = move || is_told.load(Ordering::SeqCst);
        let thread = std::thread::spawn(move || match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
                read_datagrams(|buffer| socket.recv(buffer), told)
            }
            Self::Datagram(socket) => {
                socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
                read_datagrams(|buffer| socket.recv(buffer), told)
            }
            Self::Stream(listener) => read_streams(&listener, told),
        });
        Receiver { stop, thread, path: path.to_owned() }
    }
}

impl Receiver {
    /// Stops the agent after it has read everything, like an agent that is shut down. Its socket is then gone.
    pub(crate) fn stop(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::SeqCst);
        let packets = self.thread.join().expect("the reader does not panic");
        let _ = std::fs::remove_file(self.path);
        packets
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn read_datagrams(
    receive: impl Fn(&mut [u8]) -> std::io::Result<usize>,
    told: impl Fn() -> bool,
) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let is_last = told();
        match receive(&mut buffer) {
            Ok(size) => packets.push(buffer[..size].to_vec()),
            Err(error) if is_silence(&error) && is_last => return packets,
            Err(error) => assert!(is_silence(&error), "{error}"),
        }
    }
}

/// Returns the packets of all connections, one connection after the other. Incomplete packets are ignored.
fn read_streams(listener: &UnixListener, told: impl Fn() -> bool) -> Vec<Vec<u8>> {
    listener.set_nonblocking(true).expect("a mode");
    let mut packets = Vec::new();
    loop {
        let is_last = told();
        match listener.accept() {
            Ok((stream, _)) => read_stream(stream, &mut packets, &told),
            Err(error) if is_silence(&error) && is_last => return packets,
            Err(error) if is_silence(&error) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
    }
}

fn read_stream(mut stream: UnixStream, packets: &mut Vec<Vec<u8>>, told: &impl Fn() -> bool) {
    stream.set_nonblocking(false).expect("a mode");
    stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let mut read = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let is_last = told();
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(size) => read.extend_from_slice(&buffer[..size]),
            Err(error) if is_silence(&error) && is_last => return,
            Err(error) => assert!(is_silence(&error), "{error}"),
        }
        while let Some((length, rest)) = read.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            assert!(length <= 8192, "the agent would end the connection");
            let Some((packet, rest)) = rest.split_at_checked(length) else {
                break;
            };
            packets.push(packet.to_vec());
            read = rest.to_vec();
        }
    }
}

/// Returns all lines, in the order of their arrival.
pub(crate) fn lines(packets: &[Vec<u8>]) -> Vec<String> {
    let text = |packet: &Vec<u8>| String::from_utf8(packet.clone()).expect("text");
    let lines = |packet| text(packet).split('\n').map(str::to_owned).collect::<Vec<_>>();
    packets.iter().flat_map(lines).collect()
}

/// Returns the sum of each series as Datadog computes it: of each series, it keeps one value per second.
pub(crate) fn totals(packets: &[Vec<u8>]) -> BTreeMap<String, u64> {
    let mut points: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in lines(packets) {
        let mut fields = line.split('|');
        let head = fields.next().expect("a name and a value");
        let fields: Vec<&str> = fields.collect();
        if fields.first() != Some(&"c") {
            continue;
        }
        let (name, value) = head.split_once(':').expect("a value");
        let tags = fields.iter().find(|field| field.starts_with('#')).copied().unwrap_or_default();
        let time = fields.last().filter(|field| field.starts_with('T')).expect("a time");
        let key = (format!("{name}{tags}"), (*time).to_owned());
        points.insert(key, value.parse().expect("a whole number"));
    }
    let mut totals = BTreeMap::new();
    for ((series, _), value) in points {
        *totals.entry(series).or_default() += value;
    }
    totals
}
