use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(name = "http-status")]
    status: u16,
}

fn main() {}
