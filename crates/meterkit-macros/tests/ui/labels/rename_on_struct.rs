use meterkit::Labels;

#[derive(Labels)]
#[label(rename = "a")]
struct Request {
    status: u16,
}

fn main() {}
