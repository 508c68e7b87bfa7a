use meterkit::Labels;

#[derive(Labels)]
struct Request {
    le: u16,
}

fn main() {}
