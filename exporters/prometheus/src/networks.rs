//! The networks from which clients may connect.

use std::net::IpAddr;

/// The networks from which connections are accepted. The default accepts all networks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<Network>);

/// A network: all addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// Length of the prefix in bits.
    prefix: u32,
}

impl Networks {
    /// Parses a comma-separated list of networks, such as `10.0.0.0/8`, and addresses. The error names the malformed
    /// item.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        let networks: Vec<_> = items.map(Network::parse).collect::<Result<_, _>>()?;
        if networks.is_empty() {
            return Err(
                "contains no network; list networks such as `10.0.0.0/8`, or unset it".to_owned()
            );
        }
        Ok(Self(networks))
    }

    /// Returns whether a client with this address may connect.
    pub(crate) fn allow(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.has(client))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(written) = address.parse::<IpAddr>() else {
            return Err(format!(
                "`{text}` is not a network; write an address, or a network such as `10.0.0.0/8`"
            ));
        };
        let bits = width(written);
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => Some(bits),
            Some(prefix) => prefix.parse().ok().filter(|it| *it <= bits && is_number(&prefix)),
        };
        let Some(prefix) = prefix else {
            return Err(format!(
                "`{text}` is not a network; after `/`, write a number from 0 to {bits}"
            ));
        };
        // Treat an IPv4-mapped address as IPv4 if the prefix covers the mapping bits.
        let mut network = Self { address: written, prefix };
        let mapped = bits - 32;
        if written.is_ipv6() && written.to_canonical().is_ipv4() && prefix >= mapped {
            network = Self { address: written.to_canonical(), prefix: prefix - mapped };
        }
        let first = network.first();
        if first != network.address {
            let Self { prefix, .. } = network;
            return Err(format!(
                "`{text}` has bits set beyond its prefix; write `{first}/{prefix}` for the network, or the address \
                 alone"
            ));
        }
        Ok(network)
    }

    fn has(self, client: IpAddr) -> bool {
        client.is_ipv4() == self.address.is_ipv4()
            && Self { address: client, ..self }.first() == self.address
    }

    /// Returns the first address of the network.
    fn first(self) -> IpAddr {
        let cleared = width(self.address) - self.prefix;
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_allowed_by_the_bits_of_their_network() {
        for (list, client, is_allowed) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:11.1.2.3", false),
            ("10.0.0.0/8", "a00::1", false),
            ("10.1.2.128/25", "10.1.2.127", false),
            ("10.1.2.128/25", "10.1.2.128", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1", "::1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.9.9.9", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            (" 10.0.0.0/8 , 192.168.0.0/16, ", "192.168.1.1", true),
        ] {
            let networks = Networks::parse(list).unwrap();
            assert_eq!(networks.allow(client.parse().unwrap()), is_allowed, "{list} {client}");
        }
        assert!(Networks::default().allow("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn the_error_names_a_malformed_network_and_what_to_write() {
        for (list, said) in [
            (
                "10.0.0.0/33",
                "`10.0.0.0/33` is not a network; after `/`, write a number from 0 to 32",
            ),
            ("::/129", "a number from 0 to 128"),
            ("10.0.0.0/", "`10.0.0.0/` is not a network"),
            ("10.0.0.0/+8", "`10.0.0.0/+8` is not a network"),
            ("10.0.0.0/8/8", "`10.0.0.0/8/8` is not a network"),
            ("10.0.0/8", "`10.0.0/8` is not a network; write an address"),
            ("localhost", "`localhost` is not a network"),
            ("10.0.0.0/8,*", "`*` is not a network"),
            ("10.0.0.1/8", "`10.0.0.1/8` has bits set beyond its prefix; write `10.0.0.0/8`"),
            ("2001:db8::1/32", "write `2001:db8::/32`"),
            ("::ffff:10.0.0.1/104", "write `10.0.0.0/8`"),
            (" , ", "contains no network"),
        ] {
            let error = Networks::parse(list).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
