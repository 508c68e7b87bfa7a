use meterkit::Labels;

#[derive(Labels)]
struct Request<T> {
    kind: T,
}

fn keys() -> usize {
    <Request<Vec<u8>> as Labels>::KEYS.len()
}

fn main() {}
