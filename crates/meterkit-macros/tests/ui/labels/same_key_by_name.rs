use meterkit::Labels;

#[derive(Labels)]
struct Request {
    status: u16,
    _status: u16,
}

fn main() {}
