use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(flatten)]
    status: u16,
    cached: bool,
}

fn main() {}
