use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(rename = "")]
    status: u16,
}

fn main() {}
