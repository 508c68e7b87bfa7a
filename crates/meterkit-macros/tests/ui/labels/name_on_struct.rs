use meterkit::Labels;

#[derive(Labels)]
#[label(name = "a")]
struct Request {
    status: u16,
}

fn main() {}
