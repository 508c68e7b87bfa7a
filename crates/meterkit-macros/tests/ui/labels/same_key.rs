use meterkit::Labels;

#[derive(Labels)]
struct Request {
    status: u16,
    #[label(rename = "status")]
    code: u16,
}

fn main() {}
