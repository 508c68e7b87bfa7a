//! Sends metrics through the Datadog Agent on the same machine or node: the DogStatsD protocol over UDP and Unix
//! sockets.

mod address;
mod cgroup;
mod config;
mod datagram;
mod lines;
mod number;
mod socket;
mod target;
#[cfg(unix)]
mod unix_socket;
mod values;

pub(crate) use self::cgroup::inode as cgroup_inode;
pub(crate) use self::target::probe;

pub use self::address::{AgentAddress, AgentAddressError};
pub use self::config::AgentConfig;
pub use self::target::AgentTarget;
