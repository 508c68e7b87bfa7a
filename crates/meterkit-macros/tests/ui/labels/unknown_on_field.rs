use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(key = "a")]
    status: u16,
}

fn main() {}
