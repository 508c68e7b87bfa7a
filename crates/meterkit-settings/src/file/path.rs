//! Paths into the file: `meter_provider.readers[0].periodic`.

pub(crate) fn key(at: &str, key: &str) -> String {
    // Limit the length: a very long key is a mistake and would make the error unreadable.
    let key: String = key.chars().take(100).collect();
    if at.is_empty() { key } else { format!("{at}.{key}") }
}

pub(crate) fn item(at: &str, place: usize) -> String {
    format!("{at}[{place}]")
}
