use meterkit::Labels;

#[derive(Labels)]
#[label(crate = "my crate")]
struct Request {
    status: u16,
}

fn main() {}
