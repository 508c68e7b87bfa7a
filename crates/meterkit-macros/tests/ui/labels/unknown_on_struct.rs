use meterkit::Labels;

#[derive(Labels)]
#[label(text = "a")]
struct Request {
    status: u16,
}

fn main() {}
