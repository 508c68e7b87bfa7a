use meterkit::Labels;

#[derive(Labels)]
struct Request {
    __: u16,
}

fn main() {}
