use meterkit::Labels;

#[derive(Labels)]
struct Request {
    größe: u16,
}

fn main() {}
