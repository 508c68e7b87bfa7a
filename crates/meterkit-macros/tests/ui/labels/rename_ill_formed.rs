use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(rename = "http-status")]
    status: u16,
}

fn main() {}
